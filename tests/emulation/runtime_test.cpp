#include <catch2/catch.hpp>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <relweave/core/cuda/launch.cuh>

#include "emulation/control.hpp"
#include "emulation/device_array.hpp"
#include "emulation/sample_kernels.hpp"

using emulation::counters;
using emulation::DeviceArray;
using emulation::Session;
using emulation::Stream;

namespace {

__global__ void set_to(int* out, int value) {
  out[threadIdx.x] = value;
}

}  // namespace

TEST_CASE("memory is counted until it is freed", "[runtime]") {
  Session const session;
  auto const before = emulation::live_allocations();
  void* device = nullptr;
  void* pinned = nullptr;

  CHECK(cudaMalloc(&device, 1000) == cudaSuccess);
  CHECK(cudaMallocHost(&pinned, 10) == cudaSuccess);
  CHECK(emulation::live_allocations() == before + 2);
  CHECK(emulation::live_bytes() == 1000);
  CHECK(reinterpret_cast<std::uintptr_t>(device) % 256 == 0);
  CHECK(cudaFree(device) == cudaSuccess);
  CHECK(cudaFreeHost(pinned) == cudaSuccess);

  CHECK(emulation::live_allocations() == before);
  CHECK(counters().device_allocations == 1);
  CHECK(counters().host_allocations == 1);
  CHECK(counters().frees == 2);
}

TEST_CASE("nothing is allocated for no bytes, and freeing nothing is fine", "[runtime]") {
  Session const session;
  void* address = &address;

  CHECK(cudaMalloc(&address, 0) == cudaSuccess);

  CHECK(address == nullptr);
  CHECK(cudaFree(nullptr) == cudaSuccess);
  CHECK(cudaFreeHost(nullptr) == cudaSuccess);
}

TEST_CASE("memory ends where the settings say", "[runtime]") {
  Session const session({.devices = 2, .memory_bytes = 4096});
  std::size_t free = 0;
  std::size_t total = 0;
  void* first = nullptr;
  void* second = nullptr;

  CHECK(cudaMallocAsync(&first, 3000, nullptr) == cudaSuccess);
  CHECK(cudaMalloc(&second, 1097) == cudaErrorMemoryAllocation);
  CHECK(second == nullptr);
  CHECK(cudaMemGetInfo(&free, &total) == cudaSuccess);
  CHECK(free == 1096);
  CHECK(total == 4096);
  CHECK(std::string(cudaGetErrorString(cudaGetLastError())) == "out of memory");
  CHECK(cudaGetLastError() == cudaSuccess);
  CHECK(cudaSetDevice(1) == cudaSuccess);
  CHECK(cudaMalloc(&second, 4096) == cudaSuccess);  // another device, another memory

  CHECK(cudaFree(second) == cudaSuccess);
  CHECK(cudaFreeAsync(first, nullptr) == cudaSuccess);
}

TEST_CASE("freeing what is no allocation is an error", "[runtime]") {
  Session const session;
  DeviceArray<int> const array(4);
  int on_host = 0;

  CHECK(cudaFree(&on_host) == cudaErrorInvalidValue);
  CHECK(cudaFree(array.data() + 1) == cudaErrorInvalidValue);
  CHECK(cudaFreeHost(array.data()) == cudaErrorInvalidValue);
}

TEST_CASE("copies check direction, bounds and null", "[runtime]") {
  Session const session;
  DeviceArray<int> const array(std::vector<int>{1, 2, 3, 4});
  std::vector<int> host(4);
  int* const device = array.data();

  CHECK(cudaMemcpy(host.data(), device, 16, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy(device, host.data(), 16, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy(device, host.data(), 16, cudaMemcpyDeviceToDevice) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy(device, device, 16, cudaMemcpyHostToHost) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy(host.data(), nullptr, 16, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy(nullptr, device, 16, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy(device + 1, host.data(), 16, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy(device, host.data(), 16, static_cast<cudaMemcpyKind>(7)) ==
        cudaErrorInvalidMemcpyDirection);
  CHECK(cudaMemset(host.data(), 0, 16) == cudaErrorInvalidValue);
  CHECK(cudaMemset(device + 1, 0, 16) == cudaErrorInvalidValue);
  CHECK(counters().copies == 1);  // the array's

  CHECK(cudaMemcpy(nullptr, nullptr, 0, cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK(cudaMemcpy(host.data(), device, 16, cudaMemcpyDefault) == cudaSuccess);
  CHECK(host == std::vector<int>{1, 2, 3, 4});
}

TEST_CASE("rectangles are copied and filled between pitches", "[runtime]") {
  Session const session;
  Stream const stream;
  DeviceArray<char> const array(std::vector<char>{'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'});
  std::vector<char> host(6, '.');

  CHECK(cudaMemcpy2DAsync(host.data(), 3, array.data(), 4, 2, 2, cudaMemcpyDeviceToHost, stream) ==
        cudaSuccess);
  CHECK(std::string(host.begin(), host.end()) == "ab.ef.");
  CHECK(cudaMemset2DAsync(array.data() + 1, 4, 'x', 3, 2, stream) == cudaSuccess);
  CHECK(array.values() == std::vector<char>{'a', 'x', 'x', 'x', 'e', 'x', 'x', 'x'});

  CHECK(cudaMemcpy2DAsync(host.data(), 3, array.data(), 4, 2, 3, cudaMemcpyDeviceToHost, stream) ==
        cudaErrorInvalidValue);
  CHECK(cudaMemcpy2DAsync(host.data(), 1, array.data(), 4, 2, 2, cudaMemcpyDeviceToHost, stream) ==
        cudaErrorInvalidPitchValue);
  CHECK(cudaMemset2DAsync(array.data(), 1, 0, 2, 1, stream) == cudaErrorInvalidPitchValue);
}

TEST_CASE("pointers know where they point", "[runtime]") {
  Session const session;
  DeviceArray<int> const array(4);
  void* pinned = nullptr;
  REQUIRE(cudaHostAlloc(&pinned, 8, cudaHostAllocDefault) == cudaSuccess);
  int pageable = 0;
  cudaPointerAttributes attributes{};

  CHECK(cudaPointerGetAttributes(&attributes, array.data() + 3) == cudaSuccess);
  CHECK(attributes.type == cudaMemoryTypeDevice);
  CHECK(attributes.devicePointer == array.data() + 3);
  CHECK(cudaPointerGetAttributes(&attributes, pinned) == cudaSuccess);
  CHECK(attributes.type == cudaMemoryTypeHost);
  CHECK(cudaPointerGetAttributes(&attributes, &pageable) == cudaSuccess);
  CHECK(attributes.type == cudaMemoryTypeUnregistered);

  CHECK(cudaFreeHost(pinned) == cudaSuccess);
}

TEST_CASE("a machine may have no device, one or more", "[runtime]") {
  int const devices = GENERATE(0, 1, 2);
  Session const session({.devices = devices});
  int count = -1;
  int current = -1;
  void* address = nullptr;
  cudaDeviceProp properties{};

  if (devices == 0) {
    CHECK(cudaGetDeviceCount(&count) == cudaErrorNoDevice);
    CHECK(count == 0);
    CHECK(cudaMalloc(&address, 8) == cudaErrorNoDevice);
    RELWEAVE_LAUNCH(set_to, 1, 1, 0, nullptr, static_cast<int*>(nullptr), 1);
    CHECK(cudaGetLastError() == cudaErrorNoDevice);
    return;
  }
  CHECK(cudaGetDeviceCount(&count) == cudaSuccess);
  CHECK(count == devices);
  CHECK(cudaSetDevice(devices) == cudaErrorInvalidDevice);
  CHECK(cudaGetDeviceProperties(&properties, devices) == cudaErrorInvalidDevice);
  CHECK(cudaSetDevice(devices - 1) == cudaSuccess);
  CHECK(cudaGetDevice(&current) == cudaSuccess);
  CHECK(current == devices - 1);
  std::thread([&] { CHECK(cudaGetDevice(&current) == cudaSuccess); }).join();
  CHECK(current == 0);  // each thread begins with the first device
}

TEST_CASE("properties and attributes agree", "[runtime]") {
  Session const session({.multiprocessors = 7});
  cudaDeviceProp properties{};
  int value = 0;

  CHECK(cudaGetDeviceProperties(&properties, 0) == cudaSuccess);

  CHECK(properties.multiProcessorCount == 7);
  CHECK(cudaDeviceGetAttribute(&value, cudaDevAttrMultiProcessorCount, 0) == cudaSuccess);
  CHECK(value == 7);
  CHECK(cudaDeviceGetAttribute(&value, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0) == cudaSuccess);
  CHECK(value == 227 << 10);
  CHECK(cudaDeviceGetAttribute(&value, cudaDevAttrWarpSize, 1) == cudaErrorInvalidDevice);
  CHECK(cudaDeviceGetAttribute(&value, cudaDevAttrEccEnabled, 0) == cudaErrorInvalidValue);
}

TEST_CASE("occupancy is limited by threads, blocks and shared memory", "[runtime]") {
  Session const session;
  auto const resident = [](int block, std::size_t shared) {
    int blocks = -1;
    CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, set_to, block, shared) ==
          cudaSuccess);
    return blocks;
  };

  CHECK(resident(256, 0) == 8);
  CHECK(resident(32, 0) == 32);
  CHECK(resident(32, 100 << 10) == 2);
  CHECK(resident(1025, 0) == 0);
}

TEST_CASE("attributes of kernels keep what was set", "[runtime]") {
  Session const session;
  cudaFuncAttributes attributes{};

  CHECK(cudaFuncSetAttribute(set_to, cudaFuncAttributeMaxDynamicSharedMemorySize, 64 << 10) ==
        cudaSuccess);

  CHECK(cudaFuncGetAttributes(&attributes, set_to) == cudaSuccess);
  CHECK(attributes.maxDynamicSharedSizeBytes == 64 << 10);
  CHECK(cudaFuncSetAttribute(set_to, cudaFuncAttributeMaxDynamicSharedMemorySize, 228 << 10) ==
        cudaErrorInvalidValue);
}

TEST_CASE("launches, waits and uses of the default stream are counted", "[runtime]") {
  Session const session;
  DeviceArray<int> const array(32);
  Stream const stream;

  RELWEAVE_LAUNCH(set_to, 1, 32, 64, stream, array.data(), 3);
  CHECK(counters().default_stream_uses == 0);
  CHECK(counters().synchronizations == 0);
  RELWEAVE_LAUNCH(set_to, 1, 8, 0, nullptr, array.data(), 4);
  RELWEAVE_LAUNCH(set_to, 1, 8, 0, cudaStreamPerThread, array.data(), 4);
  CHECK(counters().default_stream_uses == 2);
  CHECK(cudaStreamSynchronize(stream) == cudaSuccess);
  CHECK(cudaDeviceSynchronize() == cudaSuccess);
  CHECK(counters().synchronizations == 2);

  auto const launches = emulation::launches();
  REQUIRE(launches.size() == 3);
  CHECK(launches[0].kernel == "set_to");
  CHECK(launches[0].block.x == 32);
  CHECK(launches[0].shared_bytes == 64);
  CHECK(launches[0].stream == stream);
  CHECK(launches[1].stream == nullptr);
}

TEST_CASE("destroyed and foreign streams are invalid handles", "[runtime]") {
  Session const session({.devices = 2});
  DeviceArray<int> const array(1);
  auto const handles = emulation::live_handles();
  cudaStream_t stream = nullptr;
  REQUIRE(cudaStreamCreate(&stream) == cudaSuccess);
  CHECK(emulation::live_handles() == handles + 1);

  REQUIRE(cudaSetDevice(1) == cudaSuccess);
  RELWEAVE_LAUNCH(set_to, 1, 1, 0, stream, array.data(), 1);
  CHECK(cudaGetLastError() == cudaErrorInvalidResourceHandle);
  REQUIRE(cudaSetDevice(0) == cudaSuccess);
  CHECK(cudaStreamDestroy(stream) == cudaSuccess);
  RELWEAVE_LAUNCH(set_to, 1, 1, 0, stream, array.data(), 1);
  CHECK(cudaGetLastError() == cudaErrorInvalidResourceHandle);
  CHECK(cudaStreamSynchronize(stream) == cudaErrorInvalidResourceHandle);

  CHECK(emulation::launches().empty());
  CHECK(emulation::live_handles() == handles);
}

TEST_CASE("events measure time between two records", "[runtime]") {
  Session const session;
  Stream const stream;
  cudaEvent_t begin = nullptr;
  cudaEvent_t end = nullptr;
  cudaEvent_t untimed = nullptr;
  float milliseconds = -1.0F;
  REQUIRE(cudaEventCreate(&begin) == cudaSuccess);
  REQUIRE(cudaEventCreate(&end) == cudaSuccess);
  REQUIRE(cudaEventCreateWithFlags(&untimed, cudaEventDisableTiming) == cudaSuccess);

  CHECK(cudaEventRecord(begin, stream) == cudaSuccess);
  CHECK(cudaEventElapsedTime(&milliseconds, begin, end) == cudaErrorInvalidResourceHandle);
  CHECK(cudaEventRecord(end, stream) == cudaSuccess);
  CHECK(cudaEventRecord(untimed, stream) == cudaSuccess);
  CHECK(cudaEventSynchronize(end) == cudaSuccess);
  CHECK(cudaStreamWaitEvent(stream, end, 0) == cudaSuccess);
  CHECK(cudaEventElapsedTime(&milliseconds, begin, end) == cudaSuccess);
  CHECK(milliseconds >= 0.0F);
  CHECK(cudaEventElapsedTime(&milliseconds, begin, untimed) == cudaErrorInvalidResourceHandle);

  for (cudaEvent_t const event : {begin, end, untimed}) {
    CHECK(cudaEventDestroy(event) == cudaSuccess);
  }
  CHECK(cudaEventQuery(begin) == cudaErrorInvalidResourceHandle);
}

TEST_CASE("a test can let each call of host code fail in turn", "[runtime]") {
  Session const session;
  DeviceArray<float> const matrix(std::vector<float>(6, 1.0F));
  DeviceArray<float> const sums(2);
  Stream const stream;
  int failures = 0;

  for (int skip = 0;; ++skip) {
    emulation::fail_next(cudaErrorLaunchFailure, skip);
    cudaError_t const error = sample::row_sums(matrix.data(), 2, 3, sums.data(), stream);
    if (emulation::failure_pending()) {
      CHECK(error == cudaSuccess);
      break;
    }
    CHECK(error == cudaErrorLaunchFailure);
    cudaGetLastError();
    ++failures;
  }

  CHECK(failures == 4);  // device, its size, occupancy, launch
  emulation::fail_next(cudaSuccess);
  CHECK(sums.values() == std::vector<float>{3.0F, 3.0F});
}

TEST_CASE("errors have names and stay until they are asked for", "[runtime]") {
  Session const session;
  void* address = nullptr;

  CHECK(cudaFree(&address) == cudaErrorInvalidValue);
  CHECK(cudaMalloc(&address, 4) == cudaSuccess);

  CHECK(cudaPeekAtLastError() == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaSuccess);
  CHECK(std::string(cudaGetErrorName(cudaErrorInvalidValue)) == "cudaErrorInvalidValue");
  CHECK(std::string(cudaGetErrorString(cudaErrorNoDevice)) == "no CUDA-capable device is detected");
  CHECK(cudaFree(address) == cudaSuccess);
}
