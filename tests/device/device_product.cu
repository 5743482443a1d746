// cuBLAS's place under the emulation: obvious loops.

#include <cstddef>

#include <relweave/core/cuda/grid.cuh>

#include "ops/device_product.hpp"

namespace relweave::ops {

namespace {

__device__ float element(DeviceType type, void const* data, std::int64_t at) {
  return type == DeviceType::float32 ? static_cast<float const*>(data)[at]
                                     : cuda::widen(static_cast<bfloat16 const*>(data)[at]);
}

__global__ void multiply(DeviceProduct p) {
  for (std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
       at < p.m * p.n; at += static_cast<std::int64_t>(gridDim.x) * blockDim.x) {
    std::int64_t const i = at / p.n;
    std::int64_t const j = at % p.n;
    float sum = 0;
    for (std::int64_t t = 0; t < p.k; ++t) {
      sum += element(p.in, p.a, p.a_transposed ? t * p.a_stride + i : i * p.a_stride + t) *
             element(p.in, p.b, p.b_transposed ? j * p.b_stride + t : t * p.b_stride + j);
    }
    std::int64_t const to = i * p.c_stride + j;
    sum += p.accumulate ? element(p.out, p.c, to) : 0.0F;
    sum += p.bias != nullptr ? element(p.out, p.bias, j) : 0.0F;
    sum = p.relu && sum < 0 ? 0.0F : sum;
    if (p.out == DeviceType::float32) {
      static_cast<float*>(p.c)[to] = sum;
    } else {
      static_cast<bfloat16*>(p.c)[to] = static_cast<bfloat16>(sum);
    }
  }
}

}  // namespace

void device_product(CudaContext const& ctx, std::string_view function, DeviceProduct const& p) {
  DeviceWorkspace::Scope scratch(ctx.workspace, function);
  scratch.vector<std::byte>(product_scratch_bytes);  // as cuBLAS needs it
  RELWEAVE_LAUNCH(multiply, cuda::grid_of(function, ctx, p.m * p.n, 1), cuda::block_threads, 0,
                  ctx.stream, p);
  cuda::check_launch(function);
}

}  // namespace relweave::ops
