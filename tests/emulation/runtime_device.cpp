// Errors, devices and attributes of kernels.

#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "emulation/limits.hpp"
#include "emulation/runtime_state.hpp"

namespace emulation {

namespace {

struct ErrorText {
  cudaError_t error;
  char const* name;
  char const* text;
};

#define RELWEAVE_ERROR_TEXT(error, text) \
  ErrorText {                            \
    error, #error, text                  \
  }
constexpr std::array error_texts = {
    RELWEAVE_ERROR_TEXT(cudaSuccess, "no error"),
    RELWEAVE_ERROR_TEXT(cudaErrorInvalidValue, "invalid argument"),
    RELWEAVE_ERROR_TEXT(cudaErrorMemoryAllocation, "out of memory"),
    RELWEAVE_ERROR_TEXT(cudaErrorInitializationError, "initialization error"),
    RELWEAVE_ERROR_TEXT(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    RELWEAVE_ERROR_TEXT(cudaErrorInvalidPitchValue, "invalid pitch argument"),
    RELWEAVE_ERROR_TEXT(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    RELWEAVE_ERROR_TEXT(cudaErrorInsufficientDriver,
                        "CUDA driver version is insufficient for CUDA runtime version"),
    RELWEAVE_ERROR_TEXT(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    RELWEAVE_ERROR_TEXT(cudaErrorInvalidDevice, "invalid device ordinal"),
    RELWEAVE_ERROR_TEXT(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    RELWEAVE_ERROR_TEXT(cudaErrorIllegalState,
                        "the operation cannot be performed in the present state"),
    RELWEAVE_ERROR_TEXT(cudaErrorNotReady, "device not ready"),
    RELWEAVE_ERROR_TEXT(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    RELWEAVE_ERROR_TEXT(cudaErrorLaunchOutOfResources, "too many resources requested for launch"),
    RELWEAVE_ERROR_TEXT(cudaErrorLaunchFailure, "unspecified launch failure"),
    RELWEAVE_ERROR_TEXT(cudaErrorNotSupported, "operation not supported"),
    RELWEAVE_ERROR_TEXT(cudaErrorStreamCaptureUnsupported,
                        "operation not permitted when stream is capturing"),
    RELWEAVE_ERROR_TEXT(cudaErrorStreamCaptureInvalidated,
                        "operation failed due to a previous error during capture"),
    RELWEAVE_ERROR_TEXT(cudaErrorStreamCaptureUnmatched,
                        "capture was not ended in the same stream as it began"),
    RELWEAVE_ERROR_TEXT(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work"),
    RELWEAVE_ERROR_TEXT(cudaErrorStreamCaptureIsolation,
                        "dependency created on uncaptured work in another stream"),
    RELWEAVE_ERROR_TEXT(cudaErrorStreamCaptureImplicit,
                        "operation would make the legacy stream depend on a capturing blocking "
                        "stream"),
    RELWEAVE_ERROR_TEXT(cudaErrorCapturedEvent,
                        "operation not permitted on an event last recorded in a capturing stream"),
    RELWEAVE_ERROR_TEXT(cudaErrorStreamCaptureWrongThread,
                        "attempt to terminate a thread-local capture sequence from another thread"),
    RELWEAVE_ERROR_TEXT(cudaErrorGraphExecUpdateFailure,
                        "the graph update was not performed because it included changes which "
                        "violated constraints specific to instantiated graph update"),
    RELWEAVE_ERROR_TEXT(cudaErrorUnknown, "unknown error"),
};
#undef RELWEAVE_ERROR_TEXT

ErrorText text_of(cudaError_t error) {
  auto const* const found = std::find_if(error_texts.begin(), error_texts.end(),
                                         [=](ErrorText const& t) { return t.error == error; });
  return found != error_texts.end()
             ? *found
             : ErrorText{error, "unrecognized error code", "unrecognized error code"};
}

bool is_device(State const& state, int device) {
  return device >= 0 && device < state.settings.devices;
}

cudaDeviceProp properties(Settings const& settings) {
  cudaDeviceProp p{};
  std::snprintf(p.name, sizeof p.name, "CPU that emulates a CUDA device");
  p.major = 9;
  p.minor = 0;
  p.multiProcessorCount = settings.multiprocessors;
  p.totalGlobalMem = settings.memory_bytes;
  p.totalConstMem = 65536;
  p.warpSize = warp_lanes;
  p.maxThreadsPerBlock = max_block_threads;
  p.maxThreadsDim[0] = max_block_threads;
  p.maxThreadsDim[1] = max_block_threads;
  p.maxThreadsDim[2] = max_block_depth;
  p.maxGridSize[0] = static_cast<int>(max_grid_x);
  p.maxGridSize[1] = static_cast<int>(max_grid_yz);
  p.maxGridSize[2] = static_cast<int>(max_grid_yz);
  p.maxThreadsPerMultiProcessor = multiprocessor_threads;
  p.maxBlocksPerMultiProcessor = multiprocessor_blocks;
  p.regsPerBlock = registers;
  p.regsPerMultiprocessor = registers;
  p.sharedMemPerBlock = static_shared_bytes;
  p.sharedMemPerBlockOptin = block_shared_bytes;
  p.sharedMemPerMultiprocessor = multiprocessor_shared_bytes;
  p.reservedSharedMemPerBlock = multiprocessor_shared_bytes - block_shared_bytes;
  p.l2CacheSize = 4 << 20;
  p.memoryBusWidth = 5120;
  p.unifiedAddressing = 1;
  p.memoryPoolsSupported = 1;
  p.concurrentKernels = 1;
  p.asyncEngineCount = 3;
  return p;
}

cudaError_t attribute(cudaDeviceProp const& p, cudaDeviceAttr wanted, int& value) {
  switch (wanted) {
    case cudaDevAttrMaxThreadsPerBlock:
      value = p.maxThreadsPerBlock;
      break;
    case cudaDevAttrMaxBlockDimX:
      value = p.maxThreadsDim[0];
      break;
    case cudaDevAttrMaxBlockDimY:
      value = p.maxThreadsDim[1];
      break;
    case cudaDevAttrMaxBlockDimZ:
      value = p.maxThreadsDim[2];
      break;
    case cudaDevAttrMaxGridDimX:
      value = p.maxGridSize[0];
      break;
    case cudaDevAttrMaxGridDimY:
      value = p.maxGridSize[1];
      break;
    case cudaDevAttrMaxGridDimZ:
      value = p.maxGridSize[2];
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      value = static_cast<int>(p.sharedMemPerBlock);
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      value = static_cast<int>(p.sharedMemPerBlockOptin);
      break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      value = static_cast<int>(p.sharedMemPerMultiprocessor);
      break;
    case cudaDevAttrMaxRegistersPerBlock:
      value = p.regsPerBlock;
      break;
    case cudaDevAttrMaxRegistersPerMultiprocessor:
      value = p.regsPerMultiprocessor;
      break;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      value = p.maxThreadsPerMultiProcessor;
      break;
    case cudaDevAttrMaxBlocksPerMultiprocessor:
      value = p.maxBlocksPerMultiProcessor;
      break;
    case cudaDevAttrMultiProcessorCount:
      value = p.multiProcessorCount;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      value = p.major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      value = p.minor;
      break;
    case cudaDevAttrWarpSize:
      value = p.warpSize;
      break;
    case cudaDevAttrL2CacheSize:
      value = p.l2CacheSize;
      break;
    case cudaDevAttrGlobalMemoryBusWidth:
      value = p.memoryBusWidth;
      break;
    case cudaDevAttrMemoryPoolsSupported:
      value = p.memoryPoolsSupported;
      break;
    case cudaDevAttrUnifiedAddressing:
      value = p.unifiedAddressing;
      break;
    default:
      return cudaErrorInvalidValue;
  }
  return cudaSuccess;
}

}  // namespace

}  // namespace emulation

using namespace emulation;

cudaError_t CUDARTAPI cudaGetLastError() {
  return std::exchange(last_error(), cudaSuccess);
}

cudaError_t CUDARTAPI cudaPeekAtLastError() {
  return last_error();
}

char const* CUDARTAPI cudaGetErrorName(cudaError_t error) {
  return text_of(error).name;
}

char const* CUDARTAPI cudaGetErrorString(cudaError_t error) {
  return text_of(error).text;
}

cudaError_t CUDARTAPI cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t CUDARTAPI cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t CUDARTAPI cudaGetDeviceCount(int* count) {
  *count = 0;
  return runtime_call([=](State& state) {
    *count = state.settings.devices;
    return cudaSuccess;
  });
}

cudaError_t CUDARTAPI cudaGetDevice(int* device) {
  return runtime_call([=](State&) {
    *device = current_device();
    return cudaSuccess;
  });
}

cudaError_t CUDARTAPI cudaSetDevice(int device) {
  return runtime_call([=](State& state) {
    if (!is_device(state, device)) {
      return cudaErrorInvalidDevice;
    }
    current_device() = device;
    return cudaSuccess;
  });
}

cudaError_t CUDARTAPI cudaGetDeviceProperties(cudaDeviceProp* result, int device) {
  return runtime_call([=](State& state) {
    if (!is_device(state, device)) {
      return cudaErrorInvalidDevice;
    }
    *result = properties(state.settings);
    return cudaSuccess;
  });
}

cudaError_t CUDARTAPI cudaDeviceGetAttribute(int* value, cudaDeviceAttr wanted, int device) {
  return runtime_call([=](State& state) {
    return is_device(state, device) ? attribute(properties(state.settings), wanted, *value)
                                    : cudaErrorInvalidDevice;
  });
}

cudaError_t CUDARTAPI cudaDeviceSynchronize() {
  return runtime_call([](State& state) {
    ++state.counters.synchronizations;
    for (auto const& capture : state.captures) {  // whatever its mode
      capture->invalidated = true;
    }
    return state.captures.empty() ? cudaSuccess : cudaErrorStreamCaptureUnsupported;
  });
}

cudaError_t CUDARTAPI cudaFuncSetAttribute(void const* kernel, cudaFuncAttribute wanted,
                                           int value) {
  return runtime_call([=](State& state) {
    if (wanted == cudaFuncAttributePreferredSharedMemoryCarveout) {
      return value >= -1 && value <= 100 ? cudaSuccess : cudaErrorInvalidValue;
    }
    if (kernel == nullptr || wanted != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
        static_cast<std::size_t>(value) > block_shared_bytes) {
      return cudaErrorInvalidValue;
    }
    state.dynamic_shared_limits[kernel] = value;
    return cudaSuccess;
  });
}

cudaError_t CUDARTAPI cudaFuncGetAttributes(cudaFuncAttributes* result, void const* kernel) {
  return runtime_call([=](State& state) {
    if (kernel == nullptr) {
      return cudaErrorInvalidDeviceFunction;
    }
    auto const limit = state.dynamic_shared_limits.find(kernel);
    *result = {};
    result->maxThreadsPerBlock = max_block_threads;
    result->numRegs = registers / multiprocessor_threads;
    result->binaryVersion = 90;
    result->ptxVersion = 90;
    result->maxDynamicSharedSizeBytes = limit != state.dynamic_shared_limits.end()
                                            ? limit->second
                                            : static_cast<int>(static_shared_bytes);
    return cudaSuccess;
  });
}

cudaError_t CUDARTAPI cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    int* blocks, void const* kernel, int block_size, size_t shared_bytes, unsigned) {
  return runtime_call([=](State&) {
    if (kernel == nullptr || block_size < 1) {
      return cudaErrorInvalidValue;
    }
    if (block_size > max_block_threads || shared_bytes > block_shared_bytes) {
      *blocks = 0;
      return cudaSuccess;
    }
    std::size_t const reserved = multiprocessor_shared_bytes - block_shared_bytes;
    auto const by_shared =
        static_cast<int>(multiprocessor_shared_bytes / (shared_bytes + reserved));
    *blocks = std::min({multiprocessor_threads / block_size, multiprocessor_blocks, by_shared});
    return cudaSuccess;
  });
}

cudaError_t CUDARTAPI cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void const* kernel,
                                                                    int block_size,
                                                                    size_t shared_bytes) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, kernel, block_size,
                                                                shared_bytes, 0);
}
