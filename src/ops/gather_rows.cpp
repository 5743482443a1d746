#include <relweave/ops/gather_rows/gather_rows.hpp>

#include <algorithm>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/ops/detail/row_kernels.hpp>

namespace relweave::ops {

template <Scalar T>
void gather_rows(HostContext const& ctx, In<MatrixView<T const>> x,
                 In<VectorView<NodeId const>> indices, MatrixView<T> out) {
  expect_shape("gather_rows", "out", out, indices.size, x.cols);
  expect_indices("gather_rows", "indices", indices, x.rows);
  parallel_for_blocks(ctx, out.rows, 256, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      std::copy_n(x.row_data(indices[i]), x.cols, out.row_data(i));
    }
  });
}

template <Scalar T>
void scatter_rows(HostContext const& ctx, In<MatrixView<T const>> x,
                  In<VectorView<NodeId const>> indices, MatrixView<T> out) {
  expect_shape("scatter_rows", "x", x, indices.size, out.cols);
  expect_indices("scatter_rows", "indices", indices, out.rows);
  auto const& kernels = detail::row_kernels<T>(ctx);
  parallel_for_blocks(ctx, out.cols, 64, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = 0; i < indices.size; ++i) {
      kernels.axpy(T{1}, x.row_data(i) + first, last - first, out.row_data(indices[i]) + first);
    }
  });
}

#define RELWEAVE_INSTANTIATE(T)                                                                    \
  template void gather_rows<T>(HostContext const&, MatrixView<T const>, VectorView<NodeId const>,  \
                               MatrixView<T>);                                                     \
  template void scatter_rows<T>(HostContext const&, MatrixView<T const>, VectorView<NodeId const>, \
                                MatrixView<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(double);

}  // namespace relweave::ops
