#include <relweave/ops/gather_rows/gather_rows.hpp>

#include <algorithm>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/profile.hpp>
#include <relweave/core/simd.hpp>

#include "scatter_by_target.hpp"

namespace relweave::ops {

namespace {

constexpr std::int64_t bytes_per_task = 1 << 18;
constexpr std::int64_t prefetch_distance = 4;  // rows; a row of 512 bytes is eight lines

}  // namespace

template <HostScalar T>
void gather_rows(HostContext const& ctx, In<MatrixView<T const>> x,
                 In<VectorView<NodeId const>> indices, MatrixView<T> out) {
  ProfileScope const profile("gather_rows");
  expect_shape("gather_rows", "out", out, indices.size, x.cols);
  expect_indices("gather_rows", "indices", indices, x.rows);
  std::int64_t const row_bytes = x.cols * static_cast<std::int64_t>(sizeof(T));
  std::int64_t const grain = bytes_per_task / std::max<std::int64_t>(row_bytes, 64) + 1;
  parallel_for_blocks(ctx, out.rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      if (i + prefetch_distance < end) {
        simd::prefetch(x.row_data(indices[i + prefetch_distance]), row_bytes);
      }
      std::copy_n(x.row_data(indices[i]), x.cols, out.row_data(i));
    }
  });
}

template <HostScalar T>
void scatter_rows(HostContext const& ctx, In<MatrixView<T const>> x,
                  In<VectorView<NodeId const>> indices, MatrixView<T> out) {
  ProfileScope const profile("scatter_rows");
  expect_shape("scatter_rows", "x", x, indices.size, out.cols);
  expect_indices("scatter_rows", "indices", indices, out.rows);
  scatter_by_target<T>(ctx, {.x = x.data, .x_stride = x.stride}, indices, out);
}

#define RELWEAVE_INSTANTIATE(T)                                                                    \
  template void gather_rows<T>(HostContext const&, MatrixView<T const>, VectorView<NodeId const>,  \
                               MatrixView<T>);                                                     \
  template void scatter_rows<T>(HostContext const&, MatrixView<T const>, VectorView<NodeId const>, \
                                MatrixView<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(double);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
