#pragma once

#include <cstdint>

#include <relweave/core/cuda/lanes.cuh>

// What cuBLAS leaves of linear_backward: relu's mask, and the sum over rows for the bias.

namespace relweave::ops::cuda {

using namespace relweave::cuda;

/// Rows whose sum one thread makes; the sums of such chunks are added in their order.
inline constexpr std::int64_t bias_chunk = 256;

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
    for (std::int64_t row = chunk * bias_chunk; row < end; ++row) {
      T g = a.grad_out[row * a.grad_out_stride + column];
      if (a.out != nullptr) {
        g = widen(a.out[row * a.out_stride + column]) > 0 ? g : T(0.0F);
      }
      if (a.masked != nullptr) {
        a.masked[row * a.masked_stride + column] = g;
      }
      sum += widen(g);
    }
    if (a.partials != nullptr) {
      a.partials[chunk * a.n + column] = sum;
    }
  }
}

/// bias[c] += the partial sums of column c, in the order of the chunks. A template, so that headers
/// and sources may share it.
template <int threads>
__global__ void __launch_bounds__(threads)
    add_partials(float const* partials, std::int64_t chunks, std::int64_t n, float* bias) {
  for (std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * threads + threadIdx.x; c < n;
       c += static_cast<std::int64_t>(gridDim.x) * threads) {
    float sum = 0;
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
      sum += partials[chunk * n + c];
    }
    bias[c] += sum;
  }
}

}  // namespace relweave::ops::cuda
