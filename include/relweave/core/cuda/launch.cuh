#pragma once

// How kernels are launched and get shared memory. Every .cuh and .cu file includes this header
// instead of CUDA's, so that the same source also compiles with a plain C++ compiler, where the
// project's tests run it on the CPU (RELWEAVE_CUDA_EMULATION, tests/emulation).

#if defined(RELWEAVE_CUDA_EMULATION)
#include "emulation/device.hpp"
#elif defined(__CUDACC__)
#include <cuda_runtime.h>

/// Launches `kernel` on `stream` with the arguments that follow. A name with commas goes into
/// parentheses: RELWEAVE_LAUNCH((row_sum<float, 4>), blocks, 128, 0, stream, view, out).
#define RELWEAVE_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
  kernel<<<grid, block, shared_bytes, stream>>>(__VA_ARGS__)

/// Declares `type name[count]` in the block's shared memory. Holds garbage when the block starts.
#define RELWEAVE_SHARED(type, name, count) __shared__ type name[count]

/// Declares `type* name`, the start of the dynamic shared memory that the launch asked for.
#define RELWEAVE_DYNAMIC_SHARED(type, name)                                 \
  extern __shared__ __align__(16) unsigned char relweave_dynamic_shared_[]; \
  type* const name = reinterpret_cast<type*>(relweave_dynamic_shared_)

#else
#error \
    "CUDA code: compile this file with nvcc, or for tests on the CPU with RELWEAVE_CUDA_EMULATION"
#endif
