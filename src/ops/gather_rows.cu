#include <string_view>

#include <relweave/core/cuda/grid.cuh>
#include <relweave/core/cuda/row_shapes.cuh>
#include <relweave/core/error.hpp>
#include <relweave/ops/gather_rows/cuda.cuh>
#include <relweave/ops/gather_rows/gather_rows.hpp>

#include "sum_rows.cuh"

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

template <typename T>
void fill_with_zeros(CudaContext const& ctx, std::string_view here,
                     MatrixView<T, Space::device> out) {
  auto const bytes = [](std::int64_t n) { return static_cast<std::size_t>(n) * sizeof(T); };
  cuda::check(here, "cudaMemsetAsync",
              out.contiguous()
                  ? cudaMemsetAsync(out.data, 0, bytes(out.rows * out.cols), ctx.stream)
                  : cudaMemset2DAsync(out.data, bytes(out.stride), 0, bytes(out.cols),
                                      static_cast<std::size_t>(out.rows), ctx.stream));
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

template <typename T>
void sum_rows(CudaContext const& ctx, std::string_view here, cuda::SumRows<T> const& sums) {
  if (sums.out.empty()) {
    return;
  }
  DeviceGuard const guard(ctx.device);
  std::int64_t const lists = sums.to.rows.size;
  if (!sums.accumulate && lists < sums.out.rows) {
    fill_with_zeros(ctx, here, sums.out);
  }
  if (lists == 0) {
    return;
  }
  DeviceWorkspace::Scope scratch(ctx.workspace, here);
  std::int64_t const d = sums.out.cols;
  std::int64_t const chunks = sums.to.chunks;
  float* const partial = scratch.vector<float>(chunks * d).data;
  cuda::with_shape<T>(d, cuda::aligned(sums.from) && cuda::aligned(sums.out), [&](auto shape) {
    using Shape = decltype(shape);
    if (chunks > 0) {
      RELWEAVE_LAUNCH((cuda::sum_hub_chunks<Shape, T>),
                      cuda::grid_of(here, ctx, chunks, Shape::lanes), cuda::block_threads, 0,
                      ctx.stream, sums, partial);
      cuda::check_launch(here);
    }
    RELWEAVE_LAUNCH((cuda::sum_lists<Shape, T>), cuda::grid_of(here, ctx, lists, Shape::lanes),
                    cuda::block_threads, 0, ctx.stream, sums, partial);
    cuda::check_launch(here);
  });
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
template void sum_rows<float>(CudaContext const&, std::string_view, cuda::SumRows<float> const&);
template void sum_rows<bfloat16>(CudaContext const&, std::string_view,
                                 cuda::SumRows<bfloat16> const&);
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
