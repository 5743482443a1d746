#pragma once

// CUDA's device language for a plain C++ compiler: with RELWEAVE_CUDA_EMULATION defined, kernels
// and the host code that launches them run on the CPU. <relweave/core/cuda/launch.cuh> includes
// this.
//
// There is no timing and no memory model: threads of a block take turns and change places only in
// barriers and warp operations, so a thread that spins on another one hangs. There is no PTX, no
// tensor core and no CUB, and the host's compiler contracts products and sums in its own way.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "emulation/block.hpp"
#include "emulation/device_math.hpp"
#include "emulation/intrinsics.hpp"
#include "emulation/launch.hpp"

#undef __shared__
#undef __launch_bounds__
#define __shared__ static thread_local  // one block at a time per thread of the system
#define __launch_bounds__(...)

#define threadIdx (::emulation::Block::thread().index)
#define blockIdx (::emulation::Block::current().index())
#define blockDim (::emulation::Block::current().block_size())
#define gridDim (::emulation::Block::current().grid_size())
inline constexpr int warpSize = 32;

#define RELWEAVE_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                     \
  ::emulation::launch(#kernel, kernel, grid, block, static_cast<std::size_t>(shared_bytes), \
                      stream __VA_OPT__(, ) __VA_ARGS__)

#define RELWEAVE_SHARED(type, name, count) \
  auto& name = ::emulation::shared_array<type, static_cast<std::size_t>(count)>([] {})

#define RELWEAVE_DYNAMIC_SHARED(type, name) type* const name = ::emulation::dynamic_shared<type>()
