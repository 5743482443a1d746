#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <functional>
#include <string>

namespace emulation {

/// A launch: what a device is told, and the kernel with its arguments as a function of no
/// arguments.
struct Grid {
  std::string kernel;              // its name, for messages
  void const* function = nullptr;  // its address, the key of its attributes
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes = 0;  // dynamic
  cudaStream_t stream = nullptr;
  std::function<void()> body;  // one thread
};

/// Runs every block of the grid, on as many threads of the system as the settings say.
/// Throws: Error; the first exception that leaves the kernel.
void run_grid(Grid const& grid);

}  // namespace emulation
