#include <relweave/ops/linear/linear.hpp>

#include <relweave/core/cuda/grid.cuh>
#include <relweave/core/error.hpp>
#include <relweave/ops/linear/cuda.cuh>

#include "device_product.hpp"

namespace relweave::ops {

namespace {

template <typename T>
using DeviceMatrix = MatrixView<T, Space::device>;
template <typename T>
using DeviceVector = VectorView<T, Space::device>;

std::int64_t chunks_of(std::int64_t m) {
  return (m + cuda::bias_chunk - 1) / cuda::bias_chunk;
}

/// c = or += op(a) op(b); a product without terms is 0.
template <typename T, typename Out>
void product(CudaContext const& ctx, std::string_view here, DeviceMatrix<T const> a, bool at,
             DeviceMatrix<T const> b, bool bt, DeviceMatrix<Out> c, bool accumulate,
             Out const* bias = nullptr, bool relu = false) {
  std::int64_t const k = at ? a.rows : a.cols;
  if (c.empty()) {
    return;
  }
  if (k == 0) {
    if (!accumulate) {
      cuda::check(here, "cudaMemset2DAsync",
                  cudaMemset2DAsync(c.data, static_cast<std::size_t>(c.stride) * sizeof(Out), 0,
                                    static_cast<std::size_t>(c.cols) * sizeof(Out),
                                    static_cast<std::size_t>(c.rows), ctx.stream));
    }
    return;
  }
  device_product(ctx, here,
                 {.in = device_type<T>,
                  .out = device_type<Out>,
                  .a = a.data,
                  .a_stride = a.stride,
                  .a_transposed = at,
                  .b = b.data,
                  .b_stride = b.stride,
                  .b_transposed = bt,
                  .c = c.data,
                  .c_stride = c.stride,
                  .m = c.rows,
                  .n = c.cols,
                  .k = k,
                  .accumulate = accumulate,
                  .bias = bias,
                  .relu = relu});
}

}  // namespace

template <DeviceScalar T>
void matmul(CudaContext const& ctx, In<DeviceMatrix<T const>> a, In<DeviceMatrix<T const>> b,
            MatmulParams const& params, DeviceMatrix<T> out) {
  constexpr std::string_view here = "matmul";
  expect_cuda(here, ctx);
  bool const at = params.a == Transpose::yes;
  bool const bt = params.b == Transpose::yes;
  std::int64_t const k = at ? a.rows : a.cols;
  std::int64_t const n = bt ? b.rows : b.cols;
  expect_shape(here, "b", b, bt ? n : k, bt ? k : n);
  expect_shape(here, "out", out, at ? a.cols : a.rows, n);
  DeviceGuard const guard(ctx.device);
  product<T, T>(ctx, here, a, at, b, bt, out, params.accumulate);
}

template <DeviceScalar T>
void linear(CudaContext const& ctx, In<DeviceMatrix<T const>> x, In<DeviceMatrix<T const>> weight,
            In<DeviceVector<T const>> bias, LinearParams const& params, DeviceMatrix<T> out) {
  constexpr std::string_view here = "linear";
  expect_cuda(here, ctx);
  expect_shape(here, "weight", weight, x.cols, weight.cols);
  expect_shape(here, "out", out, x.rows, weight.cols);
  if (!bias.empty()) {
    expect_size(here, "bias", bias, weight.cols);
  }
  if (x.cols == 0 && (!bias.empty() || params.accumulate)) {
    raise<ShapeError>(here, "x", "shape " + shape_string(x.rows, x.cols),
                      "at least one column, with a bias or accumulate on a device");
  }
  DeviceGuard const guard(ctx.device);
  product<T, T>(ctx, here, x, false, weight, false, out, params.accumulate,
                bias.empty() ? nullptr : bias.data, params.activation == Activation::relu);
}

template <DeviceScalar T>
void linear_backward(CudaContext const& ctx, In<DeviceMatrix<T const>> x,
                     In<DeviceMatrix<T const>> weight, In<DeviceMatrix<T const>> out,
                     In<DeviceMatrix<T const>> grad_out, LinearParams const& params,
                     DeviceLinearGradients<T> const& gradients) {
  constexpr std::string_view here = "linear_backward";
  expect_cuda(here, ctx);
  std::int64_t const m = x.rows;
  std::int64_t const n = weight.cols;
  bool const relu = params.activation == Activation::relu;
  expect_shape(here, "weight", weight, x.cols, n);
  expect_shape(here, "grad_out", grad_out, m, n);
  if (relu) {
    expect_shape(here, "out", out, m, n);
  }
  if (!gradients.x.empty()) {
    expect_shape(here, "gradients.x", gradients.x, m, x.cols);
  }
  if (!gradients.weight.empty()) {
    expect_shape(here, "gradients.weight", gradients.weight, x.cols, n);
  }
  if (!gradients.bias.empty()) {
    expect_size(here, "gradients.bias", gradients.bias, n);
  }
  if (!gradients.sum.empty()) {
    expect_shape(here, "gradients.sum", gradients.sum, m, n);
  }
  DeviceGuard const guard(ctx.device);
  DeviceWorkspace::Scope scratch(ctx.workspace, here);
  DeviceMatrix<T const> grad = grad_out;
  bool const summed = !gradients.sum.empty();
  if ((relu || summed || !gradients.bias.empty()) && m > 0 && n > 0) {
    auto const masked = summed ? gradients.sum : scratch.matrix<T>(relu ? m : 0, n);
    auto const partials = scratch.matrix<float>(gradients.bias.empty() ? 0 : chunks_of(m), n);
    cuda::BiasArguments<T> const a{.m = m,
                                   .n = n,
                                   .out = relu ? out.data : nullptr,
                                   .out_stride = out.stride,
                                   .grad_out = grad_out.data,
                                   .grad_out_stride = grad_out.stride,
                                   .masked = masked.data,
                                   .masked_stride = masked.stride,
                                   .partials = partials.data};
    std::int64_t const column_blocks = (n + cuda::block_threads - 1) / cuda::block_threads;
    RELWEAVE_LAUNCH((cuda::mask_and_sum<T>),
                    cuda::grid_of(here, ctx, chunks_of(m) * column_blocks, cuda::block_threads),
                    cuda::block_threads, 0, ctx.stream, a);
    cuda::check_launch(here);
    if (!gradients.bias.empty()) {
      std::int64_t const blocks = (n + cuda::warp_lanes - 1) / cuda::warp_lanes;
      RELWEAVE_LAUNCH((cuda::add_partials<cuda::block_threads>),
                      cuda::grid_of(here, ctx, blocks, cuda::block_threads), cuda::block_threads, 0,
                      ctx.stream, partials.data, partials.rows, n, gradients.bias.data);
      cuda::check_launch(here);
    }
    if (relu || summed) {
      grad = masked;
    }
  }
  if (!gradients.x.empty()) {
    product<T, T>(ctx, here, grad, false, weight, true, gradients.x, gradients.accumulate_x);
  }
  if (!gradients.weight.empty()) {
    product<T, float>(ctx, here, x, true, grad, false, gradients.weight, true);
  }
}

std::int64_t linear_workspace() {
  return product_scratch_bytes;
}

std::int64_t linear_backward_workspace(std::int64_t m, std::int64_t n, std::int64_t element_bytes) {
  constexpr std::int64_t alignment = 256;
  auto const rounded = [](std::int64_t bytes) {
    return (bytes + alignment - 1) / alignment * alignment;
  };
  return rounded(m * n * element_bytes) + rounded(chunks_of(m) * n * 4) + linear_workspace();
}

#define RELWEAVE_INSTANTIATE(T)                                                                \
  template void matmul<T>(CudaContext const&, DeviceMatrix<T const>, DeviceMatrix<T const>,    \
                          MatmulParams const&, DeviceMatrix<T>);                               \
  template void linear<T>(CudaContext const&, DeviceMatrix<T const>, DeviceMatrix<T const>,    \
                          DeviceVector<T const>, LinearParams const&, DeviceMatrix<T>);        \
  template void linear_backward<T>(                                                            \
      CudaContext const&, DeviceMatrix<T const>, DeviceMatrix<T const>, DeviceMatrix<T const>, \
      DeviceMatrix<T const>, LinearParams const&, DeviceLinearGradients<T> const&)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
