#pragma once

#include <cstdint>

#include <relweave/core/isa.hpp>
#include <relweave/core/types.hpp>
#include <relweave/ops/detail/sum_tile.hpp>

namespace relweave::ops::cpu {

template <typename T>
struct ScatterRowsKernels {
  /// Adds row i of x to row indices[i] of the tile, for i in [0, count).
  void (*scatter)(T const* x, std::int64_t x_stride, NodeId const* indices, std::int64_t count,
                  SumTile<T> const& to);
};

/// Defined once per instruction set, in src/ops/gather_rows_cpu.cpp.
template <Isa isa, typename T>
ScatterRowsKernels<T> const& scatter_rows_kernels();

}  // namespace relweave::ops::cpu
