#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/cuda.hpp>
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
/// Register all tensors with add_*, then call allocate() once. A set on a device is made from one
/// on the host, whose ParameterIds it shares.
template <Scalar T, Space S = Space::host>
class RELWEAVE_API ParameterSet {
 public:
  ParameterSet() = default;
  /// The tensors of `host`: its values, copied on the stream, and gradients of zero.
  ParameterSet(CudaContext const& ctx, ParameterSet<T> const& host) requires(S == Space::device);

  ParameterId add_matrix(std::string name, std::int64_t rows,
                         std::int64_t cols) requires(S == Space::host);
  ParameterId add_vector(std::string name, std::int64_t size) requires(S == Space::host);
  /// Zero-filled values and gradients for all registered tensors.
  void allocate() requires(S == Space::host);

  std::vector<ParameterInfo> const& infos() const { return infos_; }
  ParameterInfo const& info(ParameterId id) const;
  /// Throws ConfigError that lists the names that exist.
  ParameterId find(std::string_view name) const;
  std::int64_t size() const { return size_; }

  VectorView<T, S> values() { return values_.view(); }
  VectorView<T const, S> values() const { return values_.view(); }
  VectorView<T, S> gradients() { return gradients_.view(); }
  VectorView<T const, S> gradients() const { return gradients_.view(); }
  void zero_gradients() requires(S == Space::host) { set_zero<T>(HostContext{}, gradients()); }

  MatrixView<T, S> matrix(ParameterId id);
  MatrixView<T const, S> matrix(ParameterId id) const;
  VectorView<T, S> vector(ParameterId id);
  VectorView<T const, S> vector(ParameterId id) const;
  MatrixView<T, S> matrix_gradient(ParameterId id);
  VectorView<T, S> vector_gradient(ParameterId id);

 private:
  ParameterId add(std::string name, std::int64_t rows, std::int64_t cols, bool vector);

  std::vector<ParameterInfo> infos_;
  std::int64_t size_ = 0;
  Buffer<T, S> values_;
  Buffer<T, S> gradients_;
};

}  // namespace relweave::nn
