#pragma once

#include <cstdint>
#include <string_view>

#include <relweave/core/cuda/grid.cuh>
#include <relweave/core/cuda/lanes.cuh>
#include <relweave/core/views.hpp>

// What kernels of losses are made of: lanes that share a row of scores, and sums in a fixed order.

namespace relweave::loss {

using relweave::cuda::block_threads;
using relweave::cuda::Group;
using relweave::cuda::warp_lanes;
using relweave::cuda::widen;

/// Lanes that take a row together: part of a warp, or a block. Every lane calls every function.
template <int lanes>
struct Team {
  static constexpr bool block = lanes > warp_lanes;
  static constexpr int group_lanes = block ? warp_lanes : lanes;

  Group<group_lanes> group;
  int lane = block ? static_cast<int>(threadIdx.x) : group.lane;
  std::int64_t first = block ? static_cast<std::int64_t>(blockIdx.x) : group.first;
  std::int64_t count = block ? static_cast<std::int64_t>(gridDim.x) : group.count;

  __device__ void sync() const {
    if constexpr (block) {
      __syncthreads();
    } else {
      __syncwarp(group.mask);
    }
  }
  /// In an order that depends on `lanes` alone.
  __device__ double sum(double value) const {
    return all(value, [](double a, double b) { return a + b; });
  }
  /// NaN is ignored.
  __device__ float max(float value) const {
    return all(value, [](float a, float b) { return fmaxf(a, b); });
  }

 private:
  template <typename V, typename F>
  __device__ V all(V value, F&& combine) const {
    for (int step = group_lanes / 2; step > 0; step /= 2) {
      value = combine(value, __shfl_xor_sync(group.mask, value, step, group_lanes));
    }
    if constexpr (block) {
      constexpr int warps = lanes / warp_lanes;
      RELWEAVE_SHARED(V, of_warps, warps);
      __syncthreads();  // an earlier call may still read
      if (group.lane == 0) {
        of_warps[threadIdx.x / warp_lanes] = value;
      }
      __syncthreads();
      value = of_warps[0];
      for (int w = 1; w < warps; ++w) {
        value = combine(value, of_warps[w]);
      }
    }
    return value;
  }
};

/// Calls f(column, value) for the lane's columns of a row, which f may overwrite; several loads are
/// on their way at once.
template <int lanes, typename T, typename F>
__device__ inline void for_columns(int lane, T const* row, std::int64_t n, F&& f) {
  constexpr int ahead = 4;
  for (std::int64_t c = lane; c < n; c += ahead * lanes) {
    float x[ahead];
#pragma unroll
    for (int u = 0; u < ahead; ++u) {
      std::int64_t const at = c + u * lanes;
      x[u] = at < n ? widen(row[at]) : 0.0F;
    }
#pragma unroll
    for (int u = 0; u < ahead; ++u) {
      std::int64_t const at = c + u * lanes;
      if (at < n) {
        f(at, x[u]);
      }
    }
  }
}

/// *total = scale * sum of values. One block.
template <typename T>
__global__ void __launch_bounds__(block_threads)
    sum_in_order(VectorView<T const, Space::device> values, double scale, double* total) {
  Team<block_threads> const team;
  double part = 0;
  for (std::int64_t i = team.lane; i < values.size; i += block_threads) {
    part += static_cast<double>(values.data[i]);
  }
  part = team.sum(part);
  if (team.lane == 0) {
    *total = scale * part;
  }
}

template <typename T>
void launch_sum(CudaContext const& ctx, std::string_view here,
                VectorView<T const, Space::device> values, double scale, double* total) {
  RELWEAVE_LAUNCH(sum_in_order<T>, 1, block_threads, 0, ctx.stream, values, scale, total);
  cuda::check_launch(here);
}

/// Calls f with the number of lanes for rows of n scores.
template <typename F>
void with_team(std::int64_t n, F&& f) {
  if (n <= 16) {
    return f(std::integral_constant<int, 4>{});
  }
  if (n <= 1024) {
    return f(std::integral_constant<int, warp_lanes>{});
  }
  f(std::integral_constant<int, block_threads>{});
}

}  // namespace relweave::loss
