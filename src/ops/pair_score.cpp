#include <relweave/ops/pair_score/pair_score.hpp>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/profile.hpp>
#include <relweave/ops/detail/row_kernels.hpp>

#include "scatter_by_target.hpp"

namespace relweave::ops {

namespace {

constexpr std::int64_t pairs_per_task = 1024;

template <typename A, typename B>
void check(std::string_view here, A a, VectorView<NodeId const> a_rows, B b,
           VectorView<NodeId const> b_rows) {
  expect_shape(here, "b", b, b.rows, a.cols);
  expect_size(here, "b_rows", b_rows, a_rows.size);
  expect_indices(here, "a_rows", a_rows, a.rows);
  expect_indices(here, "b_rows", b_rows, b.rows);
}

}  // namespace

template <HostScalar T>
void pair_score(HostContext const& ctx, In<MatrixView<T const>> a,
                In<VectorView<NodeId const>> a_rows, In<MatrixView<T const>> b,
                In<VectorView<NodeId const>> b_rows, VectorView<Compute<T>> out) {
  ProfileScope const profile("pair_score");
  check("pair_score", a, a_rows, b, b_rows);
  expect_size("pair_score", "out", out, a_rows.size);
  auto const& kernels = detail::row_kernels<T>(ctx);
  parallel_for_blocks(ctx, out.size, pairs_per_task, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      out[p] = kernels.dot(a.row_data(a_rows[p]), b.row_data(b_rows[p]), a.cols);
    }
  });
}

template <HostScalar T>
void pair_score_backward(HostContext const& ctx, In<MatrixView<T const>> a,
                         In<VectorView<NodeId const>> a_rows, In<MatrixView<T const>> b,
                         In<VectorView<NodeId const>> b_rows,
                         In<VectorView<Compute<T> const>> grad_out, MatrixView<T> grad_a,
                         MatrixView<T> grad_b) {
  ProfileScope const profile("pair_score_backward");
  constexpr std::string_view here = "pair_score_backward";
  check(here, a, a_rows, b, b_rows);
  expect_size(here, "grad_out", grad_out, a_rows.size);
  expect_shape(here, "grad_a", grad_a, a.rows, a.cols);
  expect_shape(here, "grad_b", grad_b, b.rows, b.cols);
  scatter_by_target<T>(
      ctx, {.x = b.data, .x_stride = b.stride, .sources = b_rows.data, .weights = grad_out.data},
      a_rows, grad_a);
  scatter_by_target<T>(
      ctx, {.x = a.data, .x_stride = a.stride, .sources = a_rows.data, .weights = grad_out.data},
      b_rows, grad_b);
}

#define RELWEAVE_INSTANTIATE(T)                                                                  \
  template void pair_score<T>(HostContext const&, MatrixView<T const>, VectorView<NodeId const>, \
                              MatrixView<T const>, VectorView<NodeId const>,                     \
                              VectorView<Compute<T>>);                                           \
  template void pair_score_backward<T>(                                                          \
      HostContext const&, MatrixView<T const>, VectorView<NodeId const>, MatrixView<T const>,    \
      VectorView<NodeId const>, VectorView<Compute<T> const>, MatrixView<T>, MatrixView<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(double);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
