#pragma once
#if defined(RELWEAVE_CUDA_EMULATION)
#include "emulation/device.hpp"
#else
#include <cuda_runtime.h>
#define RELWEAVE_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
  kernel<<<grid, block, shared_bytes, stream>>>(__VA_ARGS__)
#endif
