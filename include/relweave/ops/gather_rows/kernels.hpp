#pragma once

#include <cstdint>

#include <relweave/core/isa.hpp>
#include <relweave/core/types.hpp>

namespace relweave::ops::cpu {

/// Rows of x in the order in which they are added to rows of out.
template <typename T>
struct ScatterArguments {
  T const* x;
  std::int64_t x_stride;
  NodeId const* indices;       ///< the row of out for each row of x
  std::int64_t const* x_rows;  ///< what to add, in this order
  T* out;
  std::int64_t out_stride;
  std::int64_t d;
};

template <typename T>
struct ScatterRowsKernels {
  /// out[indices[j]] += x[j] for j = x_rows[begin], ..., x_rows[end - 1].
  void (*scatter)(ScatterArguments<T> const& arguments, std::int64_t begin, std::int64_t end);
};

/// Defined once per instruction set, in src/ops/gather_rows_cpu.cpp.
template <Isa isa, typename T>
ScatterRowsKernels<T> const& scatter_rows_kernels();

}  // namespace relweave::ops::cpu
