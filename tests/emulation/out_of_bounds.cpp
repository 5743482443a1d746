// Writes past the end of memory in a kernel, which AddressSanitizer must report.

#include <cstdio>
#include <string_view>

#include <relweave/core/cuda/launch.cuh>

#include "emulation/device_array.hpp"

namespace {

__global__ void write_global(float* out) {
  out[blockIdx.x * blockDim.x + threadIdx.x] = 1.0F;
}

__global__ void write_static() {
  RELWEAVE_SHARED(float, row, 31);
  row[threadIdx.x] = 1.0F;
}

__global__ void write_dynamic() {
  RELWEAVE_DYNAMIC_SHARED(float, row);
  row[threadIdx.x] = 1.0F;
}

}  // namespace

int main(int argc, char** argv) {
  std::string_view const memory = argc == 2 ? argv[1] : "";
  if (memory == "global") {
    emulation::DeviceArray<float> const out(100);
    RELWEAVE_LAUNCH(write_global, 4, 32, 0, nullptr, out.data());
  } else if (memory == "static") {
    RELWEAVE_LAUNCH(write_static, 1, 32, 0, nullptr);
  } else if (memory == "dynamic") {
    RELWEAVE_LAUNCH(write_dynamic, 1, 32, 31 * sizeof(float), nullptr);
  }
  std::puts("nothing was found");
  return 1;
}
