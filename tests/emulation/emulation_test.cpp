#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include <relweave/core/cuda/launch.cuh>

#include "emulation/control.hpp"
#include "emulation/device_array.hpp"
#include "emulation/sample_kernels.hpp"

using emulation::DeviceArray;
using emulation::Session;

namespace {

__global__ void ids(int* out) {
  int const x = blockIdx.x * blockDim.x + threadIdx.x;
  int const y = blockIdx.y * blockDim.y + threadIdx.y;
  int const z = blockIdx.z * blockDim.z + threadIdx.z;
  int const width = gridDim.x * blockDim.x;
  int const height = gridDim.y * blockDim.y;
  out[(z * height + y) * width + x] = (z * 100 + y) * 100 + x;
}

__global__ void shuffles(int* out) {
  int const lane = threadIdx.x;
  int const value = 100 + lane;
  out[lane] = __shfl_sync(0xFFFFFFFFU, value, 35);
  out[32 + lane] = __shfl_sync(0xFFFFFFFFU, value, 2, 8);
  out[64 + lane] = __shfl_up_sync(0xFFFFFFFFU, value, 1, 16);
  out[96 + lane] = __shfl_down_sync(0xFFFFFFFFU, value, 3, 8);
  out[128 + lane] = __shfl_xor_sync(0xFFFFFFFFU, value, 5);
}

// Four groups of eight lanes, each with its own mask and its own number of rounds.
__global__ void group_sums(float* out) {
  int const lane = threadIdx.x;
  int const group = lane / 8;
  unsigned const mask = 0xFFU << (8 * group);
  float total = 0.0F;
  for (int round = 0; round <= group; ++round) {
    float sum = lane + 1.0F;
    for (int offset = 4; offset > 0; offset /= 2) {
      sum += __shfl_down_sync(mask, sum, offset, 8);
    }
    total += __shfl_sync(mask, sum, 0, 8);
  }
  out[lane] = total;
}

__global__ void votes(unsigned* out) {
  int const lane = threadIdx.x;
  if (lane >= 20) {
    return;
  }
  unsigned const mask = 0xFFFFFU;
  out[lane] = __ballot_sync(mask, lane % 2 == 0);
  out[20 + lane] = __any_sync(mask, lane == 19);
  out[40 + lane] = __all_sync(mask, lane < 19);
  out[60 + lane] = __match_any_sync(mask, lane % 3);
  out[80 + lane] = __reduce_add_sync(mask, static_cast<unsigned>(lane));
  out[100 + lane] = static_cast<unsigned>(__reduce_min_sync(mask, lane - 5));
  out[120 + lane] = static_cast<unsigned>(__reduce_max_sync(mask, -1 - lane));
  out[140 + lane] = __activemask() & mask;
}

// Each thread passes its number on to the thread of the next warp.
__global__ void rotate_warps(int* out) {
  RELWEAVE_SHARED(int, numbers, 256);
  numbers[threadIdx.x] = threadIdx.x;
  __syncthreads();
  int const next = numbers[(threadIdx.x + 32) % blockDim.x];
  __syncthreads();
  numbers[threadIdx.x] = next;
  __syncthreads();
  out[blockIdx.x * blockDim.x + threadIdx.x] = numbers[(threadIdx.x + 32) % blockDim.x];
}

__global__ void count_votes(int* out) {
  out[threadIdx.x] = __syncthreads_count(threadIdx.x < 40);
  out[64 + threadIdx.x] = __syncthreads_or(threadIdx.x == 63);
  out[128 + threadIdx.x] = __syncthreads_and(threadIdx.x != 63);
}

// Half of the threads leave; a barrier counts those that are left.
__global__ void leave_early(int* out) {
  RELWEAVE_SHARED(int, left, 1);
  if (threadIdx.x >= 32) {
    return;
  }
  if (threadIdx.x == 31) {
    left[0] = 7;
  }
  __syncthreads();
  out[threadIdx.x] = left[0];
}

__global__ void atomics(int* out, float* sum, unsigned long long* wide) {
  int const value = blockIdx.x * blockDim.x + threadIdx.x;
  atomicAdd(out, 1);
  atomicMax(out + 1, value);
  atomicMin(out + 2, -value);
  atomicOr(reinterpret_cast<unsigned*>(out + 3), 1U << (value % 32));
  for (int old = out[4];;) {
    int const seen = atomicCAS(out + 4, old, old + 2);
    if (seen == old) {
      break;
    }
    old = seen;
  }
  atomicAdd(sum, 0.5F);
  atomicAdd(wide, 1ULL << 33);
}

__global__ void bits_and_numbers(int* bits, float* numbers) {
  bits[0] = __popc(0xF0F0U);
  bits[1] = __ffs(0x10);
  bits[2] = __ffs(0);
  bits[3] = __clz(1);
  bits[4] = __clz(0);
  bits[5] = static_cast<int>(__brev(1U));
  bits[6] = __float_as_int(1.0F);
  bits[7] = min(3, -2) + max(10, 4);
  numbers[0] = rsqrtf(4.0F);
  numbers[1] = __fdividef(1.0F, 8.0F);
  numbers[2] = __frcp_rn(4.0F);
  numbers[3] = fmaf(2.0F, 3.0F, 1.0F);
  numbers[4] = __bfloat162float(__float2bfloat16_rn(1.00390625F));  // 1 + 2^-8, a tie: to even
  numbers[5] = __uint_as_float(0x40000000U);
  numbers[6] = max(NAN, 1.0F);
  numbers[7] = __saturatef(2.0F);
}

template <typename T, int Count>
__global__ void reverse(T const* in, T* out) {
  RELWEAVE_SHARED(T, row, Count);
  row[threadIdx.x] = in[threadIdx.x];
  __syncthreads();
  out[threadIdx.x] = row[Count - 1 - threadIdx.x];
}

__global__ void observe_order(int* next, int* rank) {
  rank[blockIdx.x * blockDim.x + threadIdx.x] = atomicAdd(next, 1);
}

std::uint64_t any_order() {
  return GENERATE(0U, 1U, 2U, 12345U);
}

}  // namespace

TEST_CASE("every thread of a three-dimensional grid runs once", "[emulation]") {
  Session const session({.order = any_order()});
  DeviceArray<int> const out(std::size_t{6 * 10 * 6});

  RELWEAVE_LAUNCH(ids, dim3(2, 5, 3), dim3(3, 2, 2), 0, nullptr, out.data());

  auto const seen = out.values();
  for (int z = 0; z < 6; ++z) {
    for (int y = 0; y < 10; ++y) {
      for (int x = 0; x < 6; ++x) {
        CHECK(seen[static_cast<std::size_t>((z * 10 + y) * 6 + x)] == (z * 100 + y) * 100 + x);
      }
    }
  }
}

TEST_CASE("shuffles follow CUDA's rules at the ends of groups", "[emulation]") {
  Session const session({.order = any_order()});
  DeviceArray<int> const out(160);

  RELWEAVE_LAUNCH(shuffles, 1, 32, 0, nullptr, out.data());

  auto const seen = out.values();
  for (int lane = 0; lane < 32; ++lane) {
    auto const at = [&](int row) { return seen[static_cast<std::size_t>(row * 32 + lane)] - 100; };
    CHECK(at(0) == 3);
    CHECK(at(1) == lane / 8 * 8 + 2);
    CHECK(at(2) == (lane % 16 == 0 ? lane : lane - 1));
    CHECK(at(3) == (lane % 8 < 5 ? lane + 3 : lane));
    CHECK(at(4) == (lane ^ 5));
  }
}

TEST_CASE("groups of lanes with masks of their own go their own ways", "[emulation]") {
  Session const session({.order = any_order()});
  DeviceArray<float> const out(32);

  RELWEAVE_LAUNCH(group_sums, 1, 32, 0, nullptr, out.data());

  auto const seen = out.values();
  for (int lane = 0; lane < 32; ++lane) {
    int const group = lane / 8;
    int const sum = 8 * 8 * group + 36;
    CHECK(seen[static_cast<std::size_t>(lane)] == static_cast<float>(sum * (group + 1)));
  }
}

TEST_CASE("votes and reductions count the lanes of the mask", "[emulation]") {
  Session const session({.order = any_order()});
  DeviceArray<unsigned> const out(160);

  RELWEAVE_LAUNCH(votes, 1, 32, 0, nullptr, out.data());

  auto const seen = out.values();
  for (std::size_t lane = 0; lane < 20; ++lane) {
    CHECK(seen[lane] == 0x55555U);
    CHECK(seen[20 + lane] == 1U);
    CHECK(seen[40 + lane] == 0U);
    CHECK(seen[60 + lane] == ((0x49249U << (lane % 3)) & 0xFFFFFU));
    CHECK(seen[80 + lane] == 190U);
    CHECK(static_cast<int>(seen[100 + lane]) == -5);
    CHECK(static_cast<int>(seen[120 + lane]) == -1);
    CHECK((seen[140 + lane] >> lane & 1U) == 1U);
  }
}

TEST_CASE("barriers order what warps write and read", "[emulation]") {
  Session const session({.order = any_order()});
  int const threads = GENERATE(32, 96, 256);
  int const blocks = 5;
  DeviceArray<int> const out(static_cast<std::size_t>(threads * blocks));

  RELWEAVE_LAUNCH(rotate_warps, blocks, threads, 0, nullptr, out.data());

  auto const seen = out.values();
  for (int i = 0; i < threads * blocks; ++i) {
    CHECK(seen[static_cast<std::size_t>(i)] == (i % threads + 64) % threads);
  }
}

TEST_CASE("barriers count votes", "[emulation]") {
  Session const session({.order = any_order()});
  DeviceArray<int> const out(192);

  RELWEAVE_LAUNCH(count_votes, 1, 64, 0, nullptr, out.data());

  auto const seen = out.values();
  for (std::size_t i = 0; i < 64; ++i) {
    CHECK(seen[i] == 40);
    CHECK(seen[64 + i] == 1);
    CHECK(seen[128 + i] == 0);
  }
}

TEST_CASE("a barrier does not wait for threads that have exited", "[emulation]") {
  Session const session({.order = any_order()});
  DeviceArray<int> const out(32);

  RELWEAVE_LAUNCH(leave_early, 1, 64, 0, nullptr, out.data());

  CHECK(out.values() == std::vector<int>(32, 7));
}

TEST_CASE("atomics lose nothing across blocks and threads of the system", "[emulation]") {
  Session const session({.order = any_order(), .threads = 3});
  DeviceArray<int> const out(std::vector<int>{0, -1, 1, 0, 0});
  DeviceArray<float> const sum(std::vector<float>{0.0F});
  DeviceArray<unsigned long long> const wide(std::vector<unsigned long long>{0});

  RELWEAVE_LAUNCH(atomics, 50, 100, 0, nullptr, out.data(), sum.data(), wide.data());

  CHECK(out.values() == std::vector<int>{5000, 4999, -4999, -1, 10000});
  CHECK(sum.values()[0] == 2500.0F);
  CHECK(wide.values()[0] == 5000ULL << 33);
}

TEST_CASE("bits and numbers are those of the device", "[emulation]") {
  Session const session;
  DeviceArray<int> const bits(8);
  DeviceArray<float> const numbers(8);

  RELWEAVE_LAUNCH(bits_and_numbers, 1, 1, 0, nullptr, bits.data(), numbers.data());

  CHECK(bits.values() == std::vector<int>{8, 5, 0, 31, 32, INT32_MIN, 0x3F800000, 8});
  CHECK(numbers.values() == std::vector<float>{0.5F, 0.125F, 0.25F, 7.0F, 1.0F, 2.0F, 1.0F, 1.0F});
}

TEST_CASE("instances of a kernel template have shared arrays of their own", "[emulation]") {
  Session const session({.order = any_order()});
  DeviceArray<double> const wide(std::vector<double>{1, 2, 3, 4});
  DeviceArray<int> const narrow(std::vector<int>{5, 6});
  DeviceArray<double> const wide_out(4);
  DeviceArray<int> const narrow_out(2);

  RELWEAVE_LAUNCH((reverse<double, 4>), 1, 4, 0, nullptr, wide.data(), wide_out.data());
  RELWEAVE_LAUNCH((reverse<int, 2>), 1, 2, 0, nullptr, narrow.data(), narrow_out.data());

  CHECK(wide_out.values() == std::vector<double>{4, 3, 2, 1});
  CHECK(narrow_out.values() == std::vector<int>{6, 5});
}

TEST_CASE("the seed decides who runs first", "[emulation]") {
  auto const ranks = [](std::uint64_t order) {
    Session const session({.order = order, .threads = 1});
    DeviceArray<int> const next(std::vector<int>{0});
    DeviceArray<int> const rank(std::size_t{7 * 70});
    RELWEAVE_LAUNCH(observe_order, 7, 70, 0, nullptr, next.data(), rank.data());
    return rank.values();
  };
  std::vector<int> ascending(490);
  std::iota(ascending.begin(), ascending.end(), 0);

  CHECK(ranks(0) == ascending);
  CHECK(ranks(1) == std::vector<int>(ascending.rbegin(), ascending.rend()));
  CHECK(ranks(2) == ranks(2));
  std::set<std::vector<int>> distinct;
  for (std::uint64_t order = 0; order < 8; ++order) {
    distinct.insert(ranks(order));
  }
  CHECK(distinct.size() == 8);
}

TEST_CASE("outside of sessions the environment chooses the order", "[emulation]") {
  std::string const order = GENERATE("0", "1", "42");
  setenv("RELWEAVE_EMULATION_ORDER", order.c_str(), 1);

  { Session const session({.order = 5}); }
  auto const chosen = emulation::settings().order;
  unsetenv("RELWEAVE_EMULATION_ORDER");
  { Session const session; }

  CHECK(std::to_string(chosen) == order);
  CHECK(emulation::settings().order == 0);
}

TEST_CASE("host code of a .cu file chooses its grid by the device's size", "[emulation]") {
  int const multiprocessors = GENERATE(1, 2, 5);
  int const rows = GENERATE(0, 1, 3, 200, 517);
  Session const session({.multiprocessors = multiprocessors, .order = any_order()});
  int const cols = 37;
  std::vector<float> values(static_cast<std::size_t>(rows * cols));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(i % 11);
  }
  DeviceArray<float> const matrix(values);
  DeviceArray<float> const sums(static_cast<std::size_t>(rows));
  emulation::Stream const stream;

  CHECK(sample::row_sums(matrix.data(), rows, cols, sums.data(), stream) == cudaSuccess);

  auto const seen = sums.values();
  for (int row = 0; row < rows; ++row) {
    auto const begin = values.begin() + row * cols;
    CHECK(seen[static_cast<std::size_t>(row)] == std::accumulate(begin, begin + cols, 0.0F));
  }
  for (auto const& launch : emulation::launches()) {
    CHECK(launch.grid.x <= static_cast<unsigned>(16 * multiprocessors));
    CHECK(launch.stream == stream);
  }
}

TEST_CASE("static and dynamic shared memory serve one kernel", "[emulation]") {
  Session const session({.order = any_order()});
  int const blocks = 3;
  std::vector<float> values(256 * blocks);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(i * 7919 % 10007);
  }
  DeviceArray<float> const in(values);
  DeviceArray<float> const out(blocks);

  CHECK(sample::block_maxima(in.data(), blocks, out.data(), nullptr) == cudaSuccess);

  auto const seen = out.values();
  for (std::size_t b = 0; b < blocks; ++b) {
    auto const begin = values.begin() + static_cast<std::ptrdiff_t>(256 * b);
    CHECK(seen[b] == *std::max_element(begin, begin + 256));
  }
}
