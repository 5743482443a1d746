#include <relweave/ops/gather_rows/gather_rows.hpp>

#include <algorithm>
#include <numeric>

#include <relweave/core/error.hpp>
#include <relweave/core/isa_dispatch.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/simd.hpp>
#include <relweave/ops/gather_rows/kernels.hpp>

#include "edge_partition.hpp"

namespace relweave::ops {

namespace {

constexpr std::int64_t bytes_per_task = 1 << 18;
constexpr std::int64_t prefetch_distance = 4;  // rows; a row of 512 bytes is eight lines

/// Positions in a list of target rows, sorted by bucket of targets and ascending inside a bucket.
struct SortedByTarget {
  VectorView<std::int64_t const> positions;
  VectorView<EdgeOffset const> offsets;  // (buckets + 1)
};

/// A counting sort into buckets of consecutive targets: of one each, or of more where there are
/// more targets than positions, so that a short list does not pay for a long table.
SortedByTarget sort_by_target(VectorView<NodeId const> targets, std::int64_t rows,
                              Workspace::Scope& scratch) {
  int shift = 0;
  while ((rows >> shift) > targets.size) {
    ++shift;
  }
  std::int64_t const buckets = (rows >> shift) + 1;
  auto const positions = scratch.vector<std::int64_t>(targets.size);
  // Counted two places ahead: the sums are the first place of each bucket one place ahead, and once
  // those have moved on to the end of their bucket, the offsets.
  auto const next = scratch.vector<EdgeOffset>(buckets + 2);
  std::fill(next.begin(), next.end(), 0);
  for (NodeId const target : targets) {
    ++next[(target >> shift) + 2];
  }
  std::partial_sum(next.begin(), next.end(), next.begin());
  for (std::int64_t i = 0; i < targets.size; ++i) {
    positions[next[(targets[i] >> shift) + 1]++] = i;
  }
  return {positions, next.slice(0, buckets + 1)};
}

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
  Workspace::Scope scratch(scratch_of(ctx));
  SortedByTarget const sorted = sort_by_target(indices, out.rows, scratch);
  cpu::ScatterArguments<T> const arguments{.x = x.data,
                                           .x_stride = x.stride,
                                           .indices = indices.data,
                                           .x_rows = sorted.positions.data,
                                           .out = out.data,
                                           .out_stride = out.stride,
                                           .d = out.cols};
  EdgePartition const partition(sorted.offsets, sorted.offsets.size - 1, 1,
                                out.cols * static_cast<std::int64_t>(sizeof(T)));
  parallel_for(ctx, partition.tasks(), [&](std::int64_t task) {
    kernels.scatter(arguments, sorted.offsets[partition.begin(task)],
                    sorted.offsets[partition.begin(task + 1)]);
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
