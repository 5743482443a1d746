#include <relweave/core/cuda/grid.cuh>
#include <relweave/core/cuda/row_shapes.cuh>
#include <relweave/core/error.hpp>
#include <relweave/ops/pair_score/cuda.cuh>
#include <relweave/ops/pair_score/pair_score.hpp>

#include "sum_rows.cuh"

namespace relweave::ops {

namespace {

template <typename T>
using DeviceMatrix = MatrixView<T, Space::device>;

}  // namespace

template <DeviceScalar T>
void pair_score(CudaContext const& ctx, In<MatrixView<T const, Space::device>> a,
                In<VectorView<NodeId const, Space::device>> a_rows,
                In<MatrixView<T const, Space::device>> b,
                In<VectorView<NodeId const, Space::device>> b_rows,
                VectorView<float, Space::device> out) {
  constexpr std::string_view here = "pair_score";
  expect_cuda(here, ctx);
  expect_shape(here, "b", b, b.rows, a.cols);
  expect_size(here, "b_rows", b_rows, a_rows.size);
  expect_size(here, "out", out, a_rows.size);
  if (out.empty()) {
    return;
  }
  DeviceGuard const guard(ctx.device);
  cuda::with_shape<T>(a.cols, cuda::aligned(a) && cuda::aligned(b), [&](auto shape) {
    using Shape = decltype(shape);
    std::int64_t const groups = (out.size - 1) / cuda::pairs_in_flight<Shape> + 1;
    RELWEAVE_LAUNCH((cuda::score_pairs<Shape, T>), cuda::grid_of(here, ctx, groups, Shape::lanes),
                    cuda::block_threads, 0, ctx.stream, a, a_rows.data, b, b_rows.data, out);
    cuda::check_launch(here);
  });
}

template <DeviceScalar T>
void pair_score_backward(CudaContext const& ctx, In<MatrixView<T const, Space::device>> a,
                         DeviceIndices const& a_rows, In<MatrixView<T const, Space::device>> b,
                         DeviceIndices const& b_rows,
                         In<VectorView<float const, Space::device>> grad_out,
                         MatrixView<T, Space::device> grad_a, MatrixView<T, Space::device> grad_b) {
  constexpr std::string_view here = "pair_score_backward";
  expect_cuda(here, ctx);
  expect_shape(here, "b", b, b.rows, a.cols);
  expect_size(here, "b_rows", b_rows.view(), a_rows.size());
  expect_rows(here, "a_rows", a_rows, a.rows);
  expect_rows(here, "b_rows", b_rows, b.rows);
  expect_size(here, "grad_out", grad_out, a_rows.size());
  expect_shape(here, "grad_a", grad_a, a.rows, a.cols);
  expect_shape(here, "grad_b", grad_b, b.rows, b.cols);
  // One after the other: the gradients may be the same matrix.
  cuda::SumRows<T> sums{.weights = grad_out.data, .skip_zeros = true, .accumulate = true};
  sums.to = a_rows.inverse();
  sums.sources = b_rows.view().data;
  sums.from = b;
  sums.out = grad_a;
  sum_rows(ctx, here, sums);
  sums.to = b_rows.inverse();
  sums.sources = a_rows.view().data;
  sums.from = a;
  sums.out = grad_b;
  sum_rows(ctx, here, sums);
}

#define RELWEAVE_INSTANTIATE(T)                                                               \
  template void pair_score<T>(CudaContext const&, DeviceMatrix<T const>,                      \
                              VectorView<NodeId const, Space::device>, DeviceMatrix<T const>, \
                              VectorView<NodeId const, Space::device>,                        \
                              VectorView<float, Space::device>);                              \
  template void pair_score_backward<T>(                                                       \
      CudaContext const&, DeviceMatrix<T const>, DeviceIndices const&, DeviceMatrix<T const>, \
      DeviceIndices const&, VectorView<float const, Space::device>, DeviceMatrix<T>,          \
      DeviceMatrix<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
