#pragma once

#include <cstddef>
#include <cstdint>

namespace emulation {

// Of a device of compute capability 9.0 (CUDA C++ Programming Guide, "Compute Capabilities").
inline constexpr int warp_lanes = 32;
inline constexpr int max_block_threads = 1024;
inline constexpr int max_block_depth = 64;  // blockDim.z
inline constexpr std::int64_t max_grid_x = 2147483647;
inline constexpr std::int64_t max_grid_yz = 65535;
inline constexpr std::size_t max_parameter_bytes = 32764;
inline constexpr std::size_t static_shared_bytes = std::size_t{48} << 10;
inline constexpr std::size_t block_shared_bytes = std::size_t{227} << 10;
inline constexpr std::size_t multiprocessor_shared_bytes = std::size_t{228} << 10;
inline constexpr int multiprocessor_threads = 2048;
inline constexpr int multiprocessor_blocks = 32;
inline constexpr int registers = 65536;

}  // namespace emulation
