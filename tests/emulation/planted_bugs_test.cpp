// Bugs that kernels have had, and what the emulation makes of them.

#include <catch2/catch.hpp>

#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <relweave/core/cuda/launch.cuh>

#include "emulation/control.hpp"
#include "emulation/device_array.hpp"
#include "emulation/sample_kernels.hpp"

using Catch::Contains;
using Catch::StartsWith;
using emulation::DeviceArray;
using emulation::Error;
using emulation::Session;

namespace {

__global__ void full_mask_in_half_a_warp(float* x) {
  if (threadIdx.x < 16) {
    x[threadIdx.x] = __shfl_sync(0xFFFFFFFFU, x[threadIdx.x], 0);
  }
}

__global__ void mask_without_the_caller(float* x) {
  x[threadIdx.x] = __shfl_xor_sync(0x0000FFFFU, x[threadIdx.x], 1);
}

__global__ void mask_with_exited_lanes(unsigned* x) {
  if (threadIdx.x >= 16) {
    return;
  }
  x[threadIdx.x] = __ballot_sync(0xFFFFFFFFU, 1);
}

__global__ void source_outside_the_mask(int* x) {
  if (threadIdx.x < 8) {
    x[threadIdx.x] = __shfl_sync(0xFFU, 1, 9);
  }
}

__global__ void odd_width(int* x) {
  x[threadIdx.x] = __shfl_sync(0xFFFFFFFFU, 1, 0, 12);
}

__global__ void two_operations_in_one_warp(int* x) {
  if (threadIdx.x < 16) {
    x[threadIdx.x] = __any_sync(0xFFFFFFFFU, 1);
  } else {
    x[threadIdx.x] = __all_sync(0xFFFFFFFFU, 1);
  }
}

__global__ void two_shuffles_in_one_warp(int* x) {
  if (threadIdx.x < 16) {
    x[threadIdx.x] = __shfl_sync(0xFFFFFFFFU, 1, 0);
  } else {
    x[threadIdx.x] = __shfl_sync(0xFFFFFFFFU, 2, 0);
  }
}

__global__ void barrier_in_a_branch(int* x) {
  if (threadIdx.x < 32) {
    __syncthreads();
  }
  x[threadIdx.x] = 1;
  __syncthreads();
}

__global__ void barrier_against_warp_operation(int* x) {
  if (threadIdx.x < 4) {
    __syncthreads();
  } else {
    __syncwarp();
  }
  x[threadIdx.x] = 1;
}

template <bool synchronized>
__global__ void neighbour_in_shared_memory(int* out) {
  RELWEAVE_SHARED(int, row, 32);
  row[threadIdx.x] = threadIdx.x;
  if (synchronized) {
    __syncwarp();
  }
  out[threadIdx.x] = row[threadIdx.x == 0 ? 0 : threadIdx.x - 1];
}

// Adds to what the block never set: on a device, right as long as the memory happens to be zero.
__global__ void sum_without_a_start(float* out) {
  RELWEAVE_SHARED(float, sum, 1);
  atomicAdd(sum, 1.0F);
  __syncthreads();
  if (threadIdx.x == 0) {
    out[blockIdx.x] = sum[0];
  }
}

// Takes what the last block left for its own.
__global__ void maximum_without_a_start(float* out) {
  RELWEAVE_DYNAMIC_SHARED(float, best);
  if (threadIdx.x == 0) {
    best[0] = fmaxf(best[0], 1.0F);
    out[blockIdx.x] = best[0];
  }
}

__global__ void nothing() {}

__global__ void too_much_static_memory() {
  RELWEAVE_SHARED(double, large, 6145);
  large[threadIdx.x] = 0.0;
}

__global__ void take_dynamic_memory() {
  RELWEAVE_SHARED(char, first, 1024);
  RELWEAVE_DYNAMIC_SHARED(char, all);
  first[0] = all[0] = 0;
}

__global__ void fail_in_block(unsigned block) {
  if (blockIdx.x == block && threadIdx.x == 5) {
    throw std::out_of_range("of the host");
  }
  __syncthreads();
}

std::uint64_t any_order() {
  return GENERATE(0U, 1U, 7U);
}

template <typename T, typename... Parameters>
void launch_warp(void (*kernel)(Parameters...), DeviceArray<T> const& out) {
  RELWEAVE_LAUNCH(kernel, 1, 32, 0, nullptr, out.data());
}

int wrong_neighbours(void (*kernel)(int*), std::uint64_t order) {
  Session const session({.order = order});
  DeviceArray<int> const out(32);
  launch_warp(kernel, out);
  auto const seen = out.values();
  int wrong = 0;
  for (int lane = 0; lane < 32; ++lane) {
    wrong += seen[static_cast<std::size_t>(lane)] != std::max(lane - 1, 0) ? 1 : 0;
  }
  return wrong;
}

}  // namespace

TEST_CASE("a full mask in a branch is a deadlock, and the report names the lanes", "[planted]") {
  Session const session({.order = any_order()});
  DeviceArray<float> const x(32);

  // Whether half of the warp waits for the other, or finds that it has exited, the order decides.
  CHECK_THROWS_WITH(launch_warp(full_mask_in_half_a_warp, x),
                    Contains("__shfl_sync") &&
                        (Contains("for lanes 16-31") || Contains("which exited")) &&
                        Contains("planted_bugs_test.cpp:"));
}

TEST_CASE("a mask that leaves out the caller is an error", "[planted]") {
  Session const session({.order = any_order()});
  DeviceArray<float> const x(32);

  CHECK_THROWS_WITH(launch_warp(mask_without_the_caller, x),
                    Contains("__shfl_xor_sync: mask 0x0000ffff leaves out the calling lane"));
}

TEST_CASE("a mask that names exited lanes is an error", "[planted]") {
  Session const session({.order = any_order()});
  DeviceArray<unsigned> const x(32);

  CHECK_THROWS_WITH(
      launch_warp(mask_with_exited_lanes, x),
      Contains("__ballot_sync") && (Contains("for lanes 16-31") || Contains("which exited")));
}

TEST_CASE("a shuffle from a lane outside the mask is an error", "[planted]") {
  Session const session({.order = any_order()});
  DeviceArray<int> const x(32);

  CHECK_THROWS_WITH(launch_warp(source_outside_the_mask, x),
                    Contains("reads lane 9, which mask 0x000000ff leaves out"));
}

TEST_CASE("a width that is no power of two is an error", "[planted]") {
  Session const session;
  DeviceArray<int> const x(32);

  CHECK_THROWS_WITH(launch_warp(odd_width, x), Contains("width 12, expected a power of two"));
}

TEST_CASE("lanes of one mask must reach the same operation", "[planted]") {
  Session const session({.order = any_order()});
  DeviceArray<int> const x(32);

  CHECK_THROWS_WITH(launch_warp(two_operations_in_one_warp, x),
                    Contains("__any_sync") && Contains("__all_sync"));
  CHECK_THROWS_WITH(launch_warp(two_shuffles_in_one_warp, x),
                    Contains("of the same mask 0xffffffff wait in __shfl_sync"));
}

TEST_CASE("a barrier in a branch is an error, and the report names both places", "[planted]") {
  Session const session({.order = any_order()});
  DeviceArray<int> const x(64);

  CHECK_THROWS_WITH(RELWEAVE_LAUNCH(barrier_in_a_branch, 1, 64, 0, nullptr, x.data()),
                    Contains("__syncthreads: other threads of the block wait in __syncthreads") &&
                        Contains("All threads of a block must reach the same barrier"));
}

TEST_CASE("a barrier and a warp operation that wait for each other are reported", "[planted]") {
  Session const session({.order = any_order()});
  DeviceArray<int> const x(32);

  CHECK_THROWS_WITH(launch_warp(barrier_against_warp_operation, x),
                    Contains("deadlock: 4 threads wait in __syncthreads") &&
                        Contains("lanes 4-31 of warp 0 wait in __syncwarp") &&
                        Contains("for lanes 0-3; 0 threads have exited"));
}

TEST_CASE("an error names kernel, block, warp, lane and line", "[planted]") {
  Session const session({.threads = 1});
  DeviceArray<float> const x(64);

  CHECK_THROWS_WITH(RELWEAVE_LAUNCH(mask_without_the_caller, 1, 64, 0, nullptr, x.data()),
                    StartsWith("kernel mask_without_the_caller, block (0, 0, 0), warp 0, lane 16, "
                               "planted_bugs_test.cpp:"));
  CHECK_THROWS_AS(RELWEAVE_LAUNCH(mask_without_the_caller, 1, 64, 0, nullptr, x.data()), Error);
}

TEST_CASE("a missing __syncwarp gives wrong values in some order", "[planted]") {
  CHECK(wrong_neighbours(neighbour_in_shared_memory<false>, 0) == 0);  // the order that hides it
  CHECK(wrong_neighbours(neighbour_in_shared_memory<false>, 1) == 31);
  CHECK(wrong_neighbours(neighbour_in_shared_memory<false>, 7) > 0);
  CHECK(wrong_neighbours(neighbour_in_shared_memory<true>, any_order()) == 0);
}

TEST_CASE("shared memory starts as garbage in every block", "[planted]") {
  Session const session({.order = any_order()});
  int const blocks = 4;
  DeviceArray<float> const sums(blocks);
  DeviceArray<float> const maxima(blocks);

  RELWEAVE_LAUNCH(sum_without_a_start, blocks, 64, 0, nullptr, sums.data());
  RELWEAVE_LAUNCH(maximum_without_a_start, blocks, 64, sizeof(float), nullptr, maxima.data());

  for (float const sum : sums.values()) {
    CHECK(!(sum == 64.0F));  // it may be NaN
  }
  int wrong = 0;
  for (float const maximum : maxima.values()) {
    wrong += maximum == 1.0F ? 0 : 1;
  }
  CHECK(wrong == blocks / 2);  // a maximum ignores NaN, so every other block has large numbers
}

TEST_CASE("device memory starts as NaN", "[planted]") {
  Session const session;

  DeviceArray<float> const out(3);

  for (float const value : out.values()) {
    CHECK(std::isnan(value));
  }
}

TEST_CASE("rows past the first wave of blocks are missing where a loop is missing", "[planted]") {
  int const multiprocessors = GENERATE(1, 2);
  Session const session({.multiprocessors = multiprocessors});
  int const rows = 16 * multiprocessors * 4 + 1;  // 16 blocks of 4 rows on each, and one row more
  DeviceArray<float> const matrix(std::vector<float>(static_cast<std::size_t>(rows) * 3, 1.0F));
  DeviceArray<float> const all(static_cast<std::size_t>(rows));
  DeviceArray<float> const first(static_cast<std::size_t>(rows));

  CHECK(sample::row_sums(matrix.data(), rows, 3, all.data(), nullptr) == cudaSuccess);
  CHECK(sample::row_sums_of_first_wave(matrix.data(), rows, 3, first.data(), nullptr) ==
        cudaSuccess);

  CHECK(all.values().back() == 3.0F);
  CHECK(first.values()[static_cast<std::size_t>(rows) - 2] == 3.0F);
  CHECK(std::isnan(first.values().back()));
}

TEST_CASE("sizes that no device takes are errors", "[planted]") {
  Session const session;
  std::int64_t const beyond_32_bits = (std::int64_t{1} << 32) + 1;  // nvcc's conversion makes it 1

  CHECK_THROWS_WITH(RELWEAVE_LAUNCH(nothing, 0, 32, 0, nullptr),
                    Contains("launch of kernel nothing: grid (0, 1, 1)"));
  CHECK_THROWS_WITH(RELWEAVE_LAUNCH(nothing, -1, 32, 0, nullptr), Contains("grid (-1, 1, 1)"));
  CHECK_THROWS_WITH(RELWEAVE_LAUNCH(nothing, beyond_32_bits, 32, 0, nullptr),
                    Contains("grid (4294967297, 1, 1)"));
  CHECK_THROWS_WITH(RELWEAVE_LAUNCH(nothing, dim3(1, 65536), 32, 0, nullptr),
                    Contains("grid (1, 65536, 1)"));
  CHECK_THROWS_WITH(RELWEAVE_LAUNCH(nothing, dim3(1, 1, 65536), 32, 0, nullptr),
                    Contains("grid (1, 1, 65536)"));
  CHECK_THROWS_WITH(RELWEAVE_LAUNCH(nothing, 1, 1025, 0, nullptr), Contains("block (1025, 1, 1)"));
  CHECK_THROWS_WITH(RELWEAVE_LAUNCH(nothing, 1, 0, 0, nullptr), Contains("block (0, 1, 1)"));
  CHECK_THROWS_WITH(RELWEAVE_LAUNCH(nothing, 1, dim3(1, 1, 65), 0, nullptr),
                    Contains("block (1, 1, 65)"));
  CHECK_THROWS_WITH(RELWEAVE_LAUNCH(nothing, 1, 32, (227 << 10) + 1, nullptr),
                    Contains("232449 bytes of dynamic shared memory, expected at most 232448"));
  CHECK_NOTHROW(RELWEAVE_LAUNCH(nothing, dim3(1, 65535), 1, 48 << 10, nullptr));
}

TEST_CASE("shared memory beyond 48 KiB must be asked for", "[planted]") {
  Session const session;
  int const whole = 227 << 10;

  CHECK_THROWS_WITH(RELWEAVE_LAUNCH(too_much_static_memory, 1, 1, 0, nullptr),
                    Contains("49160 bytes of static shared memory"));
  CHECK_THROWS_WITH(RELWEAVE_LAUNCH(take_dynamic_memory, 1, 1, whole, nullptr),
                    Contains("set cudaFuncAttributeMaxDynamicSharedMemorySize first"));
  CHECK(cudaFuncSetAttribute(take_dynamic_memory, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             whole) == cudaSuccess);
  CHECK_THROWS_WITH(RELWEAVE_LAUNCH(take_dynamic_memory, 1, 1, whole, nullptr),
                    Contains("1024 bytes of static and 232448 bytes of dynamic"));
  CHECK_NOTHROW(RELWEAVE_LAUNCH(take_dynamic_memory, 1, 1, whole - 1024, nullptr));
}

TEST_CASE("an exception of any block reaches the launch, and the next launch runs", "[planted]") {
  Session const session({.order = any_order()});

  CHECK_THROWS_AS(RELWEAVE_LAUNCH(fail_in_block, 20, 64, 0, nullptr, 13U), std::out_of_range);

  CHECK_NOTHROW(RELWEAVE_LAUNCH(fail_in_block, 20, 64, 0, nullptr, 99U));
}
