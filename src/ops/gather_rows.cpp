#include <relweave/ops/gather_rows/gather_rows.hpp>

#include <algorithm>

#include <relweave/core/error.hpp>
#include <relweave/core/isa_dispatch.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/simd.hpp>
#include <relweave/ops/gather_rows/kernels.hpp>

#include "column_tiles.hpp"

namespace relweave::ops {

namespace {

constexpr std::int64_t bytes_per_task = 1 << 18;
constexpr std::int64_t prefetch_distance = 4;  // rows; a row of 512 bytes is eight lines

}  // namespace

template <Scalar T>
void gather_rows(HostContext const& ctx, In<MatrixView<T const>> x,
                 In<VectorView<NodeId const>> indices, MatrixView<T> out) {
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

template <Scalar T>
void scatter_rows(HostContext const& ctx, In<MatrixView<T const>> x,
                  In<VectorView<NodeId const>> indices, MatrixView<T> out) {
  expect_shape("scatter_rows", "x", x, indices.size, out.cols);
  expect_indices("scatter_rows", "indices", indices, out.rows);
  auto const& kernels = with_isa(ctx, []<Isa isa>() -> cpu::ScatterRowsKernels<T> const& {
    return cpu::scatter_rows_kernels<isa, T>();
  });
  ColumnTiles<T> const tiles(out.cols, out.rows, 1);
  bool const sparse = indices.size < out.rows;  // most rows stay as they are: do not touch them
  parallel_for(ctx, tiles.count(), [&](std::int64_t tile) {
    auto const add = [&](SumTile<T> const& to) {
      kernels.scatter(x.data, x.stride, indices.data, indices.size, to);
    };
    if (sparse) {
      add(tiles.in_place(out, tile));
    } else {
      tiles.add_to(out, tile, add);
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
