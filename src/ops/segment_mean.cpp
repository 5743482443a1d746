#include <relweave/ops/segment_mean/segment_mean.hpp>

#include <relweave/core/isa_dispatch.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/profile.hpp>
#include <relweave/ops/segment_mean/kernels.hpp>

#include "column_tiles.hpp"
#include "edge_partition.hpp"
#include "segments.hpp"

namespace relweave::ops {

namespace {

template <typename T>
cpu::SegmentArguments<T> arguments_of(Segments<Compute<T>> const& segments,
                                      MatrixView<T const> from, Reduce reduce,
                                      VectorView<Compute<T>> scales) {
  for (std::int64_t s = 0; s < scales.size; ++s) {
    scales[s] = segment_scale(segments, s, reduce);
  }
  return {.offsets = segments.offsets.data,
          .indices = segments.indices.data,
          .weights = segments.weights.empty() ? nullptr : segments.weights.data,
          .scales = scales.data,
          .from = from.data,
          .from_stride = from.stride,
          .d = from.cols};
}

template <typename T>
cpu::SegmentMeanKernels<T> const& kernels_of(HostContext const& ctx) {
  return with_isa(ctx, []<Isa isa>() -> cpu::SegmentMeanKernels<T> const& {
    return cpu::segment_mean_kernels<isa, T>();
  });
}

}  // namespace

template <HostScalar T>
void segment_mean(HostContext const& ctx, Segments<Compute<T>> const& segments,
                  In<MatrixView<T const>> x, SegmentMeanParams const& params, MatrixView<T> out) {
  ProfileScope const profile("segment_mean");
  std::int64_t const n = check_segments("segment_mean", segments, x.rows, params.reduce);
  expect_shape("segment_mean", "out", out, n, x.cols);
  auto const& kernels = kernels_of<T>(ctx);
  Workspace::Scope scratch(scratch_of(ctx));
  auto const arguments = arguments_of<T>(segments, x, params.reduce, scratch.vector<Compute<T>>(n));
  EdgePartition const partition(segments.offsets, n, 1,
                                x.cols * static_cast<std::int64_t>(sizeof(T)));
  parallel_for(ctx, partition.tasks(), [&](std::int64_t task) {
    kernels.forward(arguments, params.accumulate, partition.begin(task), partition.begin(task + 1),
                    out.data, out.stride);
  });
}

template <HostScalar T>
void segment_mean_backward(HostContext const& ctx, Segments<Compute<T>> const& segments,
                           In<MatrixView<T const>> grad_out, SegmentMeanParams const& params,
                           MatrixView<T> grad_x) {
  ProfileScope const profile("segment_mean_backward");
  constexpr std::string_view here = "segment_mean_backward";
  std::int64_t const n = check_segments(here, segments, grad_x.rows, params.reduce);
  expect_shape(here, "grad_out", grad_out, n, grad_x.cols);
  auto const& kernels = kernels_of<T>(ctx);
  Workspace::Scope scratch(scratch_of(ctx));
  auto const arguments =
      arguments_of<T>(segments, grad_out, params.reduce, scratch.vector<Compute<T>>(n));
  ColumnTiles<T> const tiles(grad_x.cols, grad_x.rows, 1);
  parallel_for(ctx, tiles.count(), [&](std::int64_t tile) {
    tiles.overwrite(grad_x, 0, grad_x.rows, tile,
                    [&](SumTile<Compute<T>> const& to) { kernels.scatter(arguments, n, to); });
  });
}

#define RELWEAVE_INSTANTIATE(T)                                                                \
  template void segment_mean<T>(HostContext const&, Segments<Compute<T>> const&,               \
                                MatrixView<T const>, SegmentMeanParams const&, MatrixView<T>); \
  template void segment_mean_backward<T>(HostContext const&, Segments<Compute<T>> const&,      \
                                         MatrixView<T const>, SegmentMeanParams const&,        \
                                         MatrixView<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(double);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
