#pragma once

#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/model/two_tower.hpp>

#include "uploaded.hpp"

namespace relweave::model {

/// Items whose inputs are wanted: rows of the features, and rows of the vectors, which may be
/// another table than one vector per item.
struct ItemRows {
  VectorView<NodeId const> features;
  VectorView<NodeId const> vectors;
};

/// What the item tower reads: x[i] = [features[f] | one-hot type[f] | vectors[v]] for the i-th
/// item.
template <Space S>
class ItemTowerInput;

template <>
class ItemTowerInput<Space::host> {
 public:
  ItemTowerInput(HostContext const&, std::int64_t type_count) : type_count_(type_count) {}

  /// `types` holds the type of every row of the features. Valid until the next call.
  MatrixView<float const> gather(HostContext const& ctx, MatrixView<float const> features,
                                 MatrixView<float const> vectors,
                                 VectorView<NodeTypeId const> types, ItemRows const& rows);

 private:
  std::int64_t type_count_;
  Matrix<float> x_;
};

template <>
class ItemTowerInput<Space::device> {
 public:
  ItemTowerInput(CudaContext const& ctx, std::int64_t type_count);

  MatrixView<float const, Space::device> gather(CudaContext const& ctx,
                                                MatrixView<float const, Space::device> features,
                                                MatrixView<float const, Space::device> vectors,
                                                VectorView<NodeTypeId const> types,
                                                ItemRows const& rows);

 private:
  Matrix<float, Space::device> one_hot_;  // (types, types)
  Matrix<float, Space::device> x_;
  Uploaded<NodeId, Space::device> feature_rows_, vector_rows_, type_rows_;
  std::vector<NodeId> row_types_;
};

}  // namespace relweave::model
