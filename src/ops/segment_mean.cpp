#include <relweave/ops/segment_mean/segment_mean.hpp>

#include <algorithm>
#include <string>

#include <relweave/core/error.hpp>
#include <relweave/core/isa_dispatch.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/ops/segment_mean/kernels.hpp>

#include "column_tiles.hpp"
#include "edge_partition.hpp"

namespace relweave::ops {

namespace {

/// Checks everything but the pooled side, and returns the number of segments.
template <typename T>
std::int64_t check(std::string_view here, Segments<T> const& segments, std::int64_t table_rows,
                   Reduce reduce) {
  if (reduce == Reduce::max) {
    raise<ConfigError>(here, "params.reduce", "max", "mean or sum");
  }
  auto const& offsets = segments.offsets;
  if (offsets.empty()) {
    raise<ShapeError>(here, "segments.offsets", "no elements", "one more than segments");
  }
  if (!segments.weights.empty()) {
    expect_size(here, "segments.weights", segments.weights, segments.indices.size);
  }
  auto const* const descent = std::adjacent_find(offsets.begin(), offsets.end(), std::greater{});
  if (descent != offsets.end()) {
    raise<IndexError>(here, "segments.offsets",
                      std::to_string(descent[1]) + " after " + std::to_string(descent[0]),
                      "offsets that do not descend");
  }
  std::int64_t const first = offsets[0];
  std::int64_t const last = offsets[offsets.size - 1];
  if (first < 0 || last > segments.indices.size) {
    raise<IndexError>(here, "segments.offsets",
                      std::to_string(first) + " to " + std::to_string(last),
                      "offsets in [0, " + std::to_string(segments.indices.size) +
                          "], the number of segments.indices");
  }
  expect_indices(here, "segments.indices", segments.indices.slice(first, last - first), table_rows);
  return offsets.size - 1;
}

/// What the sum of segment `s` is multiplied by.
template <typename T>
T scale_of(Segments<T> const& segments, std::int64_t s, Reduce reduce) {
  if (reduce == Reduce::sum) {
    return 1;
  }
  std::int64_t const begin = segments.offsets[s];
  std::int64_t const end = segments.offsets[s + 1];
  T total = segments.weights.empty() ? static_cast<T>(end - begin) : T{0};
  for (std::int64_t e = begin; e < end && !segments.weights.empty(); ++e) {
    total += segments.weights[e];
  }
  return total == 0 ? T{0} : 1 / total;
}

template <typename T>
cpu::SegmentArguments<T> arguments_of(Segments<T> const& segments, MatrixView<T const> from,
                                      Reduce reduce, VectorView<T> scales) {
  for (std::int64_t s = 0; s < scales.size; ++s) {
    scales[s] = scale_of(segments, s, reduce);
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

template <Scalar T>
void segment_mean(HostContext const& ctx, Segments<T> const& segments, In<MatrixView<T const>> x,
                  SegmentMeanParams const& params, MatrixView<T> out) {
  std::int64_t const n = check("segment_mean", segments, x.rows, params.reduce);
  expect_shape("segment_mean", "out", out, n, x.cols);
  auto const& kernels = kernels_of<T>(ctx);
  Workspace::Scope scratch(scratch_of(ctx));
  auto const arguments = arguments_of<T>(segments, x, params.reduce, scratch.vector<T>(n));
  EdgePartition const partition(segments.offsets, n, 1,
                                x.cols * static_cast<std::int64_t>(sizeof(T)));
  parallel_for(ctx, partition.tasks(), [&](std::int64_t task) {
    kernels.forward(arguments, params.accumulate, partition.begin(task), partition.begin(task + 1),
                    out.data, out.stride);
  });
}

template <Scalar T>
void segment_mean_backward(HostContext const& ctx, Segments<T> const& segments,
                           In<MatrixView<T const>> grad_out, SegmentMeanParams const& params,
                           MatrixView<T> grad_x) {
  constexpr std::string_view here = "segment_mean_backward";
  std::int64_t const n = check(here, segments, grad_x.rows, params.reduce);
  expect_shape(here, "grad_out", grad_out, n, grad_x.cols);
  auto const& kernels = kernels_of<T>(ctx);
  Workspace::Scope scratch(scratch_of(ctx));
  auto const arguments = arguments_of<T>(segments, grad_out, params.reduce, scratch.vector<T>(n));
  ColumnTiles<T> const tiles(grad_x.cols, grad_x.rows, 1);
  parallel_for(ctx, tiles.count(), [&](std::int64_t tile) {
    tiles.overwrite(grad_x, 0, grad_x.rows, tile,
                    [&](SumTile<T> const& to) { kernels.scatter(arguments, n, to); });
  });
}

#define RELWEAVE_INSTANTIATE(T)                                                              \
  template void segment_mean<T>(HostContext const&, Segments<T> const&, MatrixView<T const>, \
                                SegmentMeanParams const&, MatrixView<T>);                    \
  template void segment_mean_backward<T>(HostContext const&, Segments<T> const&,             \
                                         MatrixView<T const>, SegmentMeanParams const&,      \
                                         MatrixView<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(double);

}  // namespace relweave::ops
