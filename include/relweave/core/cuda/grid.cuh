#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include <relweave/core/cuda.hpp>
#include <relweave/core/cuda/check.cuh>
#include <relweave/core/cuda/lanes.cuh>

namespace relweave::cuda {

/// Blocks for `groups` groups of `lanes` lanes: enough for the device to balance, and few enough
/// that the rest is a loop. Kernels stride over what is left, whatever the number.
inline dim3 grid_of(std::string_view function, CudaContext const& ctx, std::int64_t groups,
                    int lanes) {
  constexpr std::int64_t blocks_per_multiprocessor = 64;
  int multiprocessors = 0;
  check(function, "cudaDeviceGetAttribute",
        cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, ctx.device));
  std::int64_t const per_block = block_threads / lanes;
  std::int64_t const needed = (groups + per_block - 1) / per_block;
  return dim3(static_cast<unsigned>(
      std::clamp<std::int64_t>(needed, 1, multiprocessors * blocks_per_multiprocessor)));
}

}  // namespace relweave::cuda
