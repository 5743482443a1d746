#pragma once

#include <string>
#include <string_view>

#include <relweave/core/cuda/launch.cuh>
#include <relweave/core/error.hpp>

namespace relweave::cuda {

/// Throws CudaError unless a call of the CUDA runtime succeeded.
inline void check(std::string_view function, std::string_view call, cudaError_t status) {
  if (status != cudaSuccess) {
    cudaGetLastError();  // an error that is not sticky must not show up at the next call
    raise<CudaError>(
        function, call,
        std::string(cudaGetErrorName(status)) + " (" + cudaGetErrorString(status) + ")", "success");
  }
}

/// Throws CudaError if the launch just made was refused.
inline void check_launch(std::string_view function) {
  check(function, "kernel launch", cudaPeekAtLastError());
}

}  // namespace relweave::cuda
