#pragma once

#include <cstdint>

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/isa.hpp>
#include <relweave/core/types.hpp>

namespace relweave::ops::detail {

/// What the ops do with single rows of d elements, compiled once per instruction set and found at
/// run time. Each sums in an order that is fixed by its arguments. Calls are per row, so their
/// indirection does not show.
template <typename T>
struct RowKernels {
  /// sum += x.
  void (*add)(T const* x, std::int64_t d, Compute<T>* sum);

  Compute<T> (*dot)(T const* x, T const* y, std::int64_t d);

  /// to = from / norm, zeros as they are; returns the norm. `to` may be `from`.
  Compute<T> (*normalize)(T const* from, std::int64_t d, T* to);

  /// to = (grad_y - <grad_y, y> y) / norm, zeros for a norm of 0. `to` may be `y` or `grad_y`.
  void (*normalize_backward)(T const* y, Compute<T> norm, T const* grad_y, std::int64_t d, T* to);
};

/// Defined once per instruction set, in src/ops/row_kernels_cpu.cpp.
template <Isa isa, typename T>
RowKernels<T> const& row_kernels_of();

/// The kernels of the instruction set that `ctx` asks for.
template <HostScalar T>
RELWEAVE_API RowKernels<T> const& row_kernels(HostContext const& ctx);

}  // namespace relweave::ops::detail
