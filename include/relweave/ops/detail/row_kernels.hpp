#pragma once

#include <cstdint>

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>

namespace relweave::ops::detail {

/// Some rows of a matrix, in the order of a list of row numbers.
template <typename T>
struct RowList {
  NodeId const* rows;
  std::int64_t count;
  T const* data;  ///< the matrix
  std::int64_t stride;
};

/// What the ops do with single rows of d elements, compiled once per instruction set and found at
/// run time. Each sums in an order that is fixed by its arguments. Calls are per row, so their
/// indirection does not show.
template <typename T>
struct RowKernels {
  /// out += max over the rows; arg (d unsigned integers of arg_width bytes, or null) gets the
  /// position in the list of the first maximum. An empty list adds nothing and gives all ones.
  void (*add_max)(RowList<T> const& list, std::int64_t d, T* out, void* arg, int arg_width);

  /// grad[rows[arg[f]], f] += grad_out[f] for f in [0, d), unless arg[f] is all ones.
  void (*scatter_max)(NodeId const* rows, void const* arg, int arg_width, T const* grad_out,
                      std::int64_t d, T* grad, std::int64_t stride);

  /// out += scale * sum of weights[e] * row e; weights may be null: all one.
  void (*add_sum)(RowList<T> const& list, T const* weights, T scale, std::int64_t d, T* out);

  /// y += a x.
  void (*axpy)(T a, T const* x, std::int64_t d, T* y);

  T (*dot)(T const* x, T const* y, std::int64_t d);

  /// One step of Adam on n elements; see optim::Adam.
  void (*adam)(T* values, T const* gradients, T* mean, T* square, std::int64_t n, T beta1, T beta2,
               T step, T root_correction, T epsilon, T weight_decay);
};

/// The kernels of the instruction set that `ctx` asks for.
template <Scalar T>
RELWEAVE_API RowKernels<T> const& row_kernels(HostContext const& ctx);

}  // namespace relweave::ops::detail
