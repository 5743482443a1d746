#include <relweave/ops/row_normalize/row_normalize.hpp>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/profile.hpp>
#include <relweave/ops/detail/row_kernels.hpp>

namespace relweave::ops {

namespace {

constexpr std::int64_t rows_per_task = 256;

}  // namespace

template <HostScalar T>
void row_normalize(HostContext const& ctx, In<MatrixView<T const>> x, MatrixView<T> out,
                   In<VectorView<Compute<T>>> norms) {
  ProfileScope const profile("row_normalize");
  expect_shape("row_normalize", "out", out, x.rows, x.cols);
  if (!norms.empty()) {
    expect_size("row_normalize", "norms", norms, x.rows);
  }
  auto const& kernels = detail::row_kernels<T>(ctx);
  parallel_for_blocks(ctx, x.rows, rows_per_task, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      Compute<T> const norm = kernels.normalize(x.row_data(r), x.cols, out.row_data(r));
      if (!norms.empty()) {
        norms[r] = norm;
      }
    }
  });
}

template <HostScalar T>
void row_normalize_backward(HostContext const& ctx, In<MatrixView<T const>> out,
                            In<VectorView<Compute<T> const>> norms,
                            In<MatrixView<T const>> grad_out, MatrixView<T> grad_x) {
  ProfileScope const profile("row_normalize_backward");
  constexpr std::string_view here = "row_normalize_backward";
  expect_shape(here, "grad_out", grad_out, out.rows, out.cols);
  expect_shape(here, "grad_x", grad_x, out.rows, out.cols);
  expect_size(here, "norms", norms, out.rows);
  auto const& kernels = detail::row_kernels<T>(ctx);
  parallel_for_blocks(ctx, out.rows, rows_per_task, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      kernels.normalize_backward(out.row_data(r), norms[r], grad_out.row_data(r), out.cols,
                                 grad_x.row_data(r));
    }
  });
}

#define RELWEAVE_INSTANTIATE(T)                                                              \
  template void row_normalize<T>(HostContext const&, MatrixView<T const>, MatrixView<T>,     \
                                 VectorView<Compute<T>>);                                    \
  template void row_normalize_backward<T>(HostContext const&, MatrixView<T const>,           \
                                          VectorView<Compute<T> const>, MatrixView<T const>, \
                                          MatrixView<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(double);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
