#pragma once

#include <cuda_runtime.h>

namespace sample {

// Host code as the library has it, to be run by the emulation's tests.

/// out[r] = sum of row r of a (rows, cols) matrix: a warp per row, and as many blocks as the device
/// holds at once.
cudaError_t row_sums(float const* matrix, int rows, int cols, float* out, cudaStream_t stream);

/// The same without the loop over waves of blocks: rows past the first wave are left out.
cudaError_t row_sums_of_first_wave(float const* matrix, int rows, int cols, float* out,
                                   cudaStream_t stream);

/// out[b] = maximum of values[b * 256 .. b * 256 + 255], by shared memory and barriers.
cudaError_t block_maxima(float const* values, int blocks, float* out, cudaStream_t stream);

}  // namespace sample
