#include "item_tower_input.hpp"

#include <algorithm>

#include <relweave/core/parallel.hpp>
#include <relweave/ops/gather_rows/gather_rows.hpp>

namespace relweave::model {

MatrixView<float const> ItemTowerInput<Space::host>::gather(HostContext const& ctx,
                                                            MatrixView<float const> features,
                                                            MatrixView<float const> vectors,
                                                            VectorView<NodeTypeId const> types,
                                                            ItemRows const& rows) {
  x_.reset(rows.features.size, features.cols + type_count_ + vectors.cols);
  auto const out = x_.view();
  parallel_for_blocks(ctx, out.rows, 256, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      NodeId const r = rows.features[i];
      float* p = std::copy_n(features.row_data(r), features.cols, out.row_data(i));
      std::fill_n(p, type_count_, 0.0F);
      p[index(types[r])] = 1.0F;
      std::copy_n(vectors.row_data(rows.vectors[i]), vectors.cols, p + type_count_);
    }
  });
  return out;
}

ItemTowerInput<Space::device>::ItemTowerInput(CudaContext const& ctx, std::int64_t type_count) {
  DeviceGuard const guard(ctx.device);
  auto identity = Matrix<float>::zeros(type_count, type_count);
  for (std::int64_t t = 0; t < type_count; ++t) {
    identity.view()(t, t) = 1;
  }
  one_hot_ = Matrix<float, Space::device>(type_count, type_count);
  copy(ctx, identity.view(), one_hot_.view());
  synchronize(ctx);
}

MatrixView<float const, Space::device> ItemTowerInput<Space::device>::gather(
    CudaContext const& ctx, MatrixView<float const, Space::device> features,
    MatrixView<float const, Space::device> vectors, VectorView<NodeTypeId const> types,
    ItemRows const& rows) {
  DeviceGuard const guard(ctx.device);
  row_types_.clear();
  for (NodeId const r : rows.features) {
    row_types_.push_back(static_cast<NodeId>(index(types[r])));
  }
  feature_rows_.set(ctx, rows.features);
  vector_rows_.set(ctx, rows.vectors);
  type_rows_.set(ctx, {row_types_.data(), std::ssize(row_types_)});
  std::int64_t const type_count = one_hot_.cols();
  x_.reset(rows.features.size, features.cols + type_count + vectors.cols);
  auto const x = x_.view();
  ops::gather_rows<float>(ctx, features, feature_rows_.view(), x.col_slice(0, features.cols));
  ops::gather_rows<float>(ctx, one_hot_.view(), type_rows_.view(),
                          x.col_slice(features.cols, type_count));
  ops::gather_rows<float>(ctx, vectors, vector_rows_.view(),
                          x.col_slice(features.cols + type_count, vectors.cols));
  return x;
}

}  // namespace relweave::model
