#include "emulation/sample_kernels.hpp"

#include <relweave/core/cuda/launch.cuh>

namespace sample {

namespace {

constexpr int block_threads = 128;
constexpr int warps = block_threads / 32;
constexpr int segment = 256;

enum class Waves { first, all };

template <Waves waves>
__global__ void __launch_bounds__(block_threads)
    row_sums_kernel(float const* __restrict__ matrix, int rows, int cols, float* __restrict__ out) {
  int const lane = threadIdx.x % 32;
  int const stride = gridDim.x * warps;
  for (int row = blockIdx.x * warps + threadIdx.x / 32; row < rows; row += stride) {
    float sum = 0.0F;
    for (int col = lane; col < cols; col += 32) {
      sum += __ldg(matrix + static_cast<long long>(row) * cols + col);
    }
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) {
      sum += __shfl_xor_sync(0xFFFFFFFFU, sum, offset);
    }
    if (lane == 0) {
      out[row] = sum;
    }
    if (waves == Waves::first) {
      return;
    }
  }
}

template <Waves waves>
cudaError_t launch_row_sums(float const* matrix, int rows, int cols, float* out,
                            cudaStream_t stream) {
  if (rows == 0) {
    return cudaSuccess;
  }
  int device = 0;
  int multiprocessors = 0;
  int resident = 0;
  if (cudaError_t const error = cudaGetDevice(&device); error != cudaSuccess) {
    return error;
  }
  if (cudaError_t const error =
          cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device);
      error != cudaSuccess) {
    return error;
  }
  if (cudaError_t const error = cudaOccupancyMaxActiveBlocksPerMultiprocessor(
          &resident, row_sums_kernel<waves>, block_threads, 0);
      error != cudaSuccess) {
    return error;
  }
  int const needed = (rows + warps - 1) / warps;
  int const blocks = needed < resident * multiprocessors ? needed : resident * multiprocessors;
  RELWEAVE_LAUNCH(row_sums_kernel<waves>, blocks, block_threads, 0, stream, matrix, rows, cols,
                  out);
  return cudaGetLastError();
}

template <typename T, int Threads>
__global__ void block_maxima_kernel(T const* __restrict__ values, T* __restrict__ out) {
  RELWEAVE_SHARED(T, partial, Threads);
  RELWEAVE_DYNAMIC_SHARED(T, loaded);
  int const t = threadIdx.x;
  loaded[t] = values[blockIdx.x * Threads + t];
  __syncthreads();
  partial[t] = loaded[Threads - 1 - t];  // of another thread
  __syncthreads();
  for (int half = Threads / 2; half > 0; half /= 2) {
    if (t < half) {
      partial[t] = max(partial[t], partial[t + half]);
    }
    __syncthreads();
  }
  if (t == 0) {
    out[blockIdx.x] = partial[0];
  }
}

}  // namespace

cudaError_t row_sums(float const* matrix, int rows, int cols, float* out, cudaStream_t stream) {
  return launch_row_sums<Waves::all>(matrix, rows, cols, out, stream);
}

cudaError_t row_sums_of_first_wave(float const* matrix, int rows, int cols, float* out,
                                   cudaStream_t stream) {
  return launch_row_sums<Waves::first>(matrix, rows, cols, out, stream);
}

cudaError_t block_maxima(float const* values, int blocks, float* out, cudaStream_t stream) {
  RELWEAVE_LAUNCH((block_maxima_kernel<float, segment>), blocks, segment, segment * sizeof(float),
                  stream, values, out);
  return cudaGetLastError();
}

}  // namespace sample
