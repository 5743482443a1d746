#pragma once

#include <cstdint>

#include <relweave/core/cuda/lanes.cuh>

// What cuBLAS leaves of linear_backward: relu's mask, and the sum over rows for the bias.

namespace relweave::ops::cuda {

using namespace relweave::cuda;

/// Rows whose sum one thread makes; the sums of such chunks are added in their order.
inline constexpr std::int64_t bias_chunk = 128;

template <typename T>
struct BiasArguments {
  std::int64_t m;
  std::int64_t n;
  T const* out;  ///< null without relu
  std::int64_t out_stride;
  T const* grad_out;
  std::int64_t grad_out_stride;
  T* masked;  ///< (m, n), or null when nobody asks for it
  std::int64_t masked_stride;
  float* partials;  ///< (chunks, n), or null when nobody asks for the bias
};

/// A thread takes a column of a chunk of rows.
template <typename T>
__global__ void __launch_bounds__(block_threads, 2) mask_and_sum(BiasArguments<T> a) {
  std::int64_t const chunks = (a.m + bias_chunk - 1) / bias_chunk;
  std::int64_t const column_blocks = (a.n + block_threads - 1) / block_threads;
  for (std::int64_t task = blockIdx.x; task < chunks * column_blocks; task += gridDim.x) {
    std::int64_t const chunk = task / column_blocks;
    std::int64_t const column = task % column_blocks * block_threads + threadIdx.x;
    if (column >= a.n) {
      continue;
    }
    std::int64_t const end = (chunk + 1) * bias_chunk < a.m ? (chunk + 1) * bias_chunk : a.m;
    float sum = 0;
    constexpr int ahead = 8;  // rows on their way at once
    for (std::int64_t row = chunk * bias_chunk; row < end; row += ahead) {
      T g[ahead];
      bool passes[ahead];
#pragma unroll
      for (int u = 0; u < ahead; ++u) {
        if (row + u < end) {
          g[u] = a.grad_out[(row + u) * a.grad_out_stride + column];
          passes[u] = a.out == nullptr || widen(a.out[(row + u) * a.out_stride + column]) > 0;
        }
      }
#pragma unroll
      for (int u = 0; u < ahead; ++u) {
        if (row + u < end) {
          T const value = passes[u] ? g[u] : T(0.0F);
          if (a.masked != nullptr) {
            a.masked[(row + u) * a.masked_stride + column] = value;
          }
          sum += widen(value);
        }
      }
    }
    if (a.partials != nullptr) {
      a.partials[chunk * a.n + column] = sum;
    }
  }
}

/// bias[c] += the partial sums of column c. A block takes 32 columns; each of its warps adds up
/// every warps-th chunk, and their sums are added in order. A template, so that headers and sources
/// may share it.
template <int threads>
__global__ void __launch_bounds__(threads)
    add_partials(float const* partials, std::int64_t chunks, std::int64_t n, float* bias) {
  constexpr int warps = threads / warp_lanes;
  RELWEAVE_SHARED(float, of_warps, threads);
  int const lane = static_cast<int>(threadIdx.x) % warp_lanes;
  int const warp = static_cast<int>(threadIdx.x) / warp_lanes;
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * warp_lanes; first < n;
       first += static_cast<std::int64_t>(gridDim.x) * warp_lanes) {
    std::int64_t const c = first + lane;
    float sum = 0;
    if (c < n) {
#pragma unroll 8
      for (std::int64_t chunk = warp; chunk < chunks; chunk += warps) {
        sum += __ldg(partials + chunk * n + c);
      }
    }
    of_warps[threadIdx.x] = sum;
    __syncthreads();
    if (warp == 0 && c < n) {
      for (int w = 1; w < warps; ++w) {
        sum += of_warps[w * warp_lanes + lane];
      }
      bias[c] += sum;
    }
    __syncthreads();
  }
}

}  // namespace relweave::ops::cuda
