#pragma once

#include <cstdint>

#include <relweave/core/isa.hpp>
#include <relweave/core/types.hpp>

namespace relweave::ops::cpu {

/// Rows of x to add to rows of out, in an order that has those of one row of out side by side.
template <typename T>
struct ScatterArguments {
  T const* x;
  std::int64_t x_stride;
  NodeId const* sources;      ///< the row of x at each position; null for the position itself
  Compute<T> const* weights;  ///< of each position, 0 for none; null for ones
  NodeId const* targets;      ///< the row of out at each position
  std::int64_t const* order;  ///< of the positions
  T* out;
  std::int64_t out_stride;
  std::int64_t d;
};

template <typename T>
struct ScatterRowsKernels {
  /// out[targets[p]] += weights[p] x[sources[p]] for p = order[begin], ..., order[end - 1].
  void (*scatter)(ScatterArguments<T> const& arguments, std::int64_t begin, std::int64_t end);
};

/// Defined once per instruction set, in src/ops/gather_rows_cpu.cpp.
template <Isa isa, typename T>
ScatterRowsKernels<T> const& scatter_rows_kernels();

}  // namespace relweave::ops::cpu
