#include <relweave/core/cuda/grid.cuh>
#include <relweave/core/cuda/row_shapes.cuh>
#include <relweave/core/error.hpp>
#include <relweave/ops/row_normalize/cuda.cuh>
#include <relweave/ops/row_normalize/row_normalize.hpp>

namespace relweave::ops {

namespace {

template <typename T>
using DeviceMatrix = MatrixView<T, Space::device>;

}  // namespace

template <DeviceScalar T>
void row_normalize(CudaContext const& ctx, In<MatrixView<T const, Space::device>> x,
                   MatrixView<T, Space::device> out, In<VectorView<float, Space::device>> norms) {
  constexpr std::string_view here = "row_normalize";
  expect_cuda(here, ctx);
  expect_shape(here, "out", out, x.rows, x.cols);
  if (!norms.empty()) {
    expect_size(here, "norms", norms, x.rows);
  }
  if (x.rows == 0) {
    return;
  }
  DeviceGuard const guard(ctx.device);
  cuda::with_shape<T>(x.cols, cuda::aligned(x) && cuda::aligned(out), [&](auto shape) {
    using Shape = decltype(shape);
    RELWEAVE_LAUNCH((cuda::normalize_rows<Shape, T>),
                    cuda::grid_of(here, ctx, x.rows, Shape::lanes), cuda::block_threads, 0,
                    ctx.stream, x, out, norms.data);
    cuda::check_launch(here);
  });
}

template <DeviceScalar T>
void row_normalize_backward(CudaContext const& ctx, In<MatrixView<T const, Space::device>> out,
                            In<VectorView<float const, Space::device>> norms,
                            In<MatrixView<T const, Space::device>> grad_out,
                            MatrixView<T, Space::device> grad_x) {
  constexpr std::string_view here = "row_normalize_backward";
  expect_cuda(here, ctx);
  expect_shape(here, "grad_out", grad_out, out.rows, out.cols);
  expect_shape(here, "grad_x", grad_x, out.rows, out.cols);
  expect_size(here, "norms", norms, out.rows);
  if (out.empty()) {
    return;
  }
  DeviceGuard const guard(ctx.device);
  bool const whole = cuda::aligned(out) && cuda::aligned(grad_out) && cuda::aligned(grad_x);
  cuda::with_shape<T>(out.cols, whole, [&](auto shape) {
    using Shape = decltype(shape);
    RELWEAVE_LAUNCH((cuda::normalize_rows_backward<Shape, T>),
                    cuda::grid_of(here, ctx, out.rows, Shape::lanes), cuda::block_threads, 0,
                    ctx.stream, out, norms.data, grad_out, grad_x);
    cuda::check_launch(here);
  });
}

#define RELWEAVE_INSTANTIATE(T)                                                              \
  template void row_normalize<T>(CudaContext const&, DeviceMatrix<T const>, DeviceMatrix<T>, \
                                 VectorView<float, Space::device>);                          \
  template void row_normalize_backward<T>(CudaContext const&, DeviceMatrix<T const>,         \
                                          VectorView<float const, Space::device>,            \
                                          DeviceMatrix<T const>, DeviceMatrix<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
