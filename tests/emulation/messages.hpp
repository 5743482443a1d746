#pragma once

#include <cuda_runtime.h>

#include <string>

#include "emulation/block.hpp"
#include "emulation/error.hpp"

namespace emulation {

// Words for error messages.
char const* name_of(WarpOp op);                     // "__shfl_sync"
std::string hex(unsigned mask);                     // "0x0000ffff"
std::string describe(uint3 index);                  // "(3, 0, 0)"
std::string describe(Site site);                    // "kernels.cuh:57"
std::string describe(char const* name, Site site);  // "__syncthreads (kernels.cuh:57)"
std::string describe_lanes(unsigned mask);          // "lane 5", "lanes 0-15, 20"

}  // namespace emulation
