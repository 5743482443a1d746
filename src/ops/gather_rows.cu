#include <string>

#include <relweave/core/cuda/grid.cuh>
#include <relweave/core/cuda/row_shapes.cuh>
#include <relweave/core/error.hpp>
#include <relweave/ops/gather_rows/cuda.cuh>
#include <relweave/ops/gather_rows/gather_rows.hpp>

#include "sum_rows.hpp"

namespace relweave::ops {

namespace {

template <typename T>
using DeviceMatrix = MatrixView<T, Space::device>;

template <int lanes, typename Unit, typename T>
void launch_copy(CudaContext const& ctx, std::string_view here, DeviceMatrix<T const> x,
                 VectorView<NodeId const, Space::device> indices, DeviceMatrix<T> out) {
  constexpr std::int64_t each = sizeof(Unit) / sizeof(T);
  std::int64_t const groups = (indices.size - 1) / cuda::rows_in_flight + 1;
  RELWEAVE_LAUNCH((cuda::copy_indexed_rows<lanes, Unit>), cuda::grid_of(here, ctx, groups, lanes),
                  cuda::block_threads, 0, ctx.stream, reinterpret_cast<Unit const*>(x.data),
                  x.stride / each, indices.data, indices.size, x.cols / each,
                  reinterpret_cast<Unit*>(out.data), out.stride / each);
  cuda::check_launch(here);
}

}  // namespace

template <DeviceScalar T>
void gather_rows(CudaContext const& ctx, In<MatrixView<T const, Space::device>> x,
                 In<VectorView<NodeId const, Space::device>> indices,
                 MatrixView<T, Space::device> out) {
  constexpr std::string_view here = "gather_rows";
  constexpr std::int64_t per_unit = sizeof(uint4) / sizeof(T);
  expect_cuda(here, ctx);
  expect_shape(here, "out", out, indices.size, x.cols);
  if (out.empty()) {
    return;
  }
  DeviceGuard const guard(ctx.device);
  if (x.cols % per_unit != 0 || !cuda::aligned(x) || !cuda::aligned(out)) {
    return launch_copy<32, T, T>(ctx, here, x, indices, out);
  }
  std::int64_t const units = x.cols / per_unit;
  if (units <= 4) {
    launch_copy<4, uint4, T>(ctx, here, x, indices, out);
  } else if (units <= 8) {
    launch_copy<8, uint4, T>(ctx, here, x, indices, out);
  } else if (units <= 16) {
    launch_copy<16, uint4, T>(ctx, here, x, indices, out);
  } else {
    launch_copy<32, uint4, T>(ctx, here, x, indices, out);
  }
}

template <DeviceScalar T>
void scatter_rows(CudaContext const& ctx, In<MatrixView<T const, Space::device>> x,
                  DeviceIndices const& indices, MatrixView<T, Space::device> out) {
  constexpr std::string_view here = "scatter_rows";
  expect_cuda(here, ctx);
  expect_shape(here, "x", x, indices.size(), out.cols);
  expect_rows(here, "indices", indices, out.rows);
  sum_rows<T>(ctx, here, {.to = indices.inverse(), .from = x, .accumulate = true, .out = out});
}

#define RELWEAVE_INSTANTIATE(T)                                                                  \
  template void gather_rows<T>(CudaContext const&, DeviceMatrix<T const>,                        \
                               VectorView<NodeId const, Space::device>, DeviceMatrix<T>);        \
  template void scatter_rows<T>(CudaContext const&, DeviceMatrix<T const>, DeviceIndices const&, \
                                DeviceMatrix<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
