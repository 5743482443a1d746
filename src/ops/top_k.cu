#include <string>

#include <relweave/core/cuda/grid.cuh>
#include <relweave/core/error.hpp>
#include <relweave/ops/top_k/cuda.cuh>
#include <relweave/ops/top_k/top_k.hpp>

namespace relweave::ops {

namespace {

template <typename T>
using DeviceMatrix = MatrixView<T, Space::device>;

template <typename T>
void select(std::string_view here, CudaContext const& ctx, DeviceMatrix<T const> scores,
            NodeId first_column, bool merge, DeviceMatrix<NodeId> indices, DeviceMatrix<T> values) {
  expect_cuda(here, ctx);
  std::int64_t const k = indices.cols;
  if (k < 1 || k > top_k_device_limit) {
    raise<ConfigError>(here, "k", std::to_string(k), "1 to " + std::to_string(top_k_device_limit),
                       k < 1 ? "" : "Use the CPU for longer lists.");
  }
  expect_shape(here, "indices", indices, scores.rows, k);
  expect_shape(here, "values", values, scores.rows, k);
  if (scores.rows == 0) {
    return;
  }
  DeviceGuard const guard(ctx.device);
  DeviceWorkspace::Scope scratch(ctx.workspace, here);
  int const capacity = cuda::key_capacity(k);
  auto const shared = static_cast<std::size_t>(capacity) * sizeof(cuda::Key);
  auto const grid = [&](std::int64_t blocks) {
    return cuda::grid_of(here, ctx, blocks, cuda::block_threads);
  };
  cuda::Scores<T> const source{scores, first_column};
  std::int64_t const parts = detail::top_k_parts(scores.rows, scores.cols, k);
  if (parts == 1) {
    RELWEAVE_LAUNCH((cuda::select_rows<cuda::Scores<T>, T>), grid(scores.rows), cuda::block_threads,
                    shared, ctx.stream, source, scores.cols, merge, capacity, indices, values);
    return cuda::check_launch(here);
  }
  auto const keys = scratch.matrix<cuda::Key>(scores.rows, parts * k);
  RELWEAVE_LAUNCH(cuda::select_parts<T>, grid(scores.rows * parts), cuda::block_threads, shared,
                  ctx.stream, source, parts, merge, capacity, indices, values, keys);
  cuda::check_launch(here);
  RELWEAVE_LAUNCH((cuda::select_rows<cuda::Keys, T>), grid(scores.rows), cuda::block_threads,
                  shared, ctx.stream, cuda::Keys{keys}, keys.cols, merge, capacity, indices,
                  values);
  cuda::check_launch(here);
}

}  // namespace

template <DeviceScalar T>
void top_k_merge(CudaContext const& ctx, In<MatrixView<T const, Space::device>> scores,
                 NodeId first_column, MatrixView<NodeId, Space::device> indices,
                 MatrixView<T, Space::device> values) {
  select<T>("top_k_merge", ctx, scores, first_column, true, indices, values);
}

template <DeviceScalar T>
void top_k(CudaContext const& ctx, In<MatrixView<T const, Space::device>> scores,
           MatrixView<NodeId, Space::device> indices, MatrixView<T, Space::device> values) {
  select<T>("top_k", ctx, scores, 0, false, indices, values);
}

#define RELWEAVE_INSTANTIATE(T)                                                                \
  template void top_k<T>(CudaContext const&, MatrixView<T const, Space::device>,               \
                         MatrixView<NodeId, Space::device>, MatrixView<T, Space::device>);     \
  template void top_k_merge<T>(CudaContext const&, MatrixView<T const, Space::device>, NodeId, \
                               MatrixView<NodeId, Space::device>, MatrixView<T, Space::device>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
