// cuSPARSE's place under the emulation: obvious loops, and plans that take memory, as its own do.

#include "ops/device_sparse_product.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>

#include <relweave/core/buffer.hpp>
#include <relweave/core/cuda/grid.cuh>
#include <relweave/core/error.hpp>
#include <relweave/ops/relation_aggregate/device_csr.hpp>

#include "device_sparse_product.hpp"

namespace relweave::test {

bool without_cusparse = false;

}  // namespace relweave::test

namespace relweave::ops {

namespace {

template <typename T>
__global__ void multiply_rows(DeviceSparsePattern a, DeviceSparseProduct p) {
  auto const* const values = static_cast<T const*>(p.values);
  auto const* const b = static_cast<T const*>(p.b);
  auto* const c = static_cast<T*>(p.c);
  for (std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
       at < (a.row_offsets.size - 1) * p.n;
       at += static_cast<std::int64_t>(gridDim.x) * blockDim.x) {
    std::int64_t const i = at / p.n;
    std::int64_t const j = at % p.n;
    float sum = 0;
    for (std::int32_t e = a.row_offsets.data[i]; e < a.row_offsets.data[i + 1]; ++e) {
      sum += cuda::widen(values[e]) * cuda::widen(b[a.cols.data[e] * p.b_stride + j]);
    }
    T& to = c[i * p.c_stride + j];
    to = static_cast<T>(p.accumulate ? cuda::widen(to) + sum : sum);
  }
}

using Key = std::array<std::int64_t, 5>;

Key key_of(DeviceSparseProduct const& p) {
  return {static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(p.values)), p.n, p.b_stride,
          p.c_stride, p.type == DeviceType::float32};
}

}  // namespace

bool cusparse_compiled() {
  return !test::without_cusparse;
}

struct DeviceSparseMatrix::Plans {
  std::map<Key, Buffer<std::byte, Space::device>> by_key;
};

DeviceSparseMatrix::DeviceSparseMatrix() : plans_(std::make_unique<Plans>()) {}
DeviceSparseMatrix::~DeviceSparseMatrix() = default;

void DeviceSparseMatrix::assign(DeviceSparsePattern const& pattern) {
  pattern_ = pattern;
}

void DeviceSparseMatrix::multiply(CudaContext const& ctx, std::string_view function,
                                  DeviceSparseProduct const& p) {
  std::int64_t const rows = pattern_.row_offsets.size - 1;
  if (std::min({rows, pattern_.n_cols, pattern_.cols.size, p.n}) < 1 || p.b_stride < p.n ||
      p.c_stride < p.n || p.n > sparse_product_columns) {
    raise<CudaError>(function, "cusparseSpMM", "CUSPARSE_STATUS_INVALID_VALUE", "success");
  }
  plans_->by_key[key_of(p)].reset(256);
  dim3 const grid = cuda::grid_of(function, ctx, rows * p.n, 1);
  if (p.type == DeviceType::float32) {
    RELWEAVE_LAUNCH(multiply_rows<float>, grid, cuda::block_threads, 0, ctx.stream, pattern_, p);
  } else {
    RELWEAVE_LAUNCH(multiply_rows<bfloat16>, grid, cuda::block_threads, 0, ctx.stream, pattern_, p);
  }
  cuda::check_launch(function);
}

}  // namespace relweave::ops
