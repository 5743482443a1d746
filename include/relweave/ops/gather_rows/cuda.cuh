#pragma once

#include <cstdint>

#include <relweave/core/cuda/lanes.cuh>
#include <relweave/core/types.hpp>

// Kernel of gather_rows: it copies bytes, whatever they stand for.

namespace relweave::ops::cuda {

using namespace relweave::cuda;

/// Rows that one group has on their way at once.
inline constexpr int rows_in_flight = 4;

/// Rows of `units` units, strides in units. A group of lanes copies whole rows.
template <int lanes, typename Unit>
__global__ void __launch_bounds__(block_threads)
    copy_indexed_rows(Unit const* x, std::int64_t x_stride, NodeId const* indices, std::int64_t n,
                      std::int64_t units, Unit* out, std::int64_t out_stride) {
  Group<lanes> const group;
  for (std::int64_t i = group.first; i < n; i += rows_in_flight * group.count) {
    Unit const* from[rows_in_flight];
#pragma unroll
    for (int r = 0; r < rows_in_flight; ++r) {
      std::int64_t const row = i + r * group.count;
      from[r] = row < n ? x + __ldg(indices + row) * x_stride : nullptr;
    }
    for (std::int64_t u = group.lane; u < units; u += lanes) {
      Pack<Unit, 1> values[rows_in_flight];
#pragma unroll
      for (int r = 0; r < rows_in_flight; ++r) {
        if (from[r] != nullptr) {
          values[r] = load<Unit, 1>(from[r] + u);
        }
      }
#pragma unroll
      for (int r = 0; r < rows_in_flight; ++r) {
        if (from[r] != nullptr) {
          store<1>(out + (i + r * group.count) * out_stride + u, values[r]);
        }
      }
    }
  }
}

}  // namespace relweave::ops::cuda
