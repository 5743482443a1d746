#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/types.hpp>

namespace relweave::nn {

/// Handle of one tensor in a ParameterSet.
enum class ParameterId : std::int32_t {};

struct ParameterInfo {
  std::string name;
  std::int64_t rows = 0;  ///< 1 for a vector
  std::int64_t cols = 0;
  bool vector = false;  ///< shape (cols) rather than (rows, cols)
  std::int64_t offset = 0;
};

/// Named tensors in one flat allocation with a flat gradient of the same layout: what an optimiser,
/// a checkpoint or an all-reduce sees is one vector. Layers hold ParameterIds, not memory.
/// Register all tensors with add_*, then call allocate() once.
template <Scalar T>
class RELWEAVE_API ParameterSet {
 public:
  ParameterId add_matrix(std::string name, std::int64_t rows, std::int64_t cols);
  ParameterId add_vector(std::string name, std::int64_t size);
  /// Zero-filled values and gradients for all registered tensors.
  void allocate();

  std::vector<ParameterInfo> const& infos() const { return infos_; }
  /// Throws ConfigError that lists the names that exist.
  ParameterId find(std::string_view name) const;
  std::int64_t size() const { return size_; }

  VectorView<T> values() { return values_.view(); }
  VectorView<T const> values() const { return values_.view(); }
  VectorView<T> gradients() { return gradients_.view(); }
  VectorView<T const> gradients() const { return gradients_.view(); }
  void zero_gradients();

  MatrixView<T> matrix(ParameterId id);
  MatrixView<T const> matrix(ParameterId id) const;
  VectorView<T> vector(ParameterId id);
  VectorView<T const> vector(ParameterId id) const;
  MatrixView<T> matrix_gradient(ParameterId id);
  VectorView<T> vector_gradient(ParameterId id);

 private:
  ParameterId add(std::string name, std::int64_t rows, std::int64_t cols, bool vector);
  ParameterInfo const& info(ParameterId id) const;

  std::vector<ParameterInfo> infos_;
  std::int64_t size_ = 0;
  Buffer<T> values_;
  Buffer<T> gradients_;
};

}  // namespace relweave::nn
