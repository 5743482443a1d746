#include <algorithm>
#include <vector>

#include <relweave/ops/segment_mean/segment_mean.hpp>

#include "segments.hpp"

namespace relweave::ops {

namespace {

template <typename T>
VectorView<T const> view_of(std::vector<T> const& v) {
  return {v.data(), std::ssize(v)};
}

}  // namespace

void DeviceSegments::upload(CudaContext const& ctx, Segments<float> const& segments,
                            std::int64_t rows, DeviceIndicesOptions const& options) {
  constexpr std::string_view here = "DeviceSegments.upload";
  expect_cuda(here, ctx);
  std::int64_t const n = check_segments(here, segments, rows, Reduce::mean);
  std::int64_t const first = segments.offsets[0];
  std::int64_t const entries = segments.offsets[n] - first;
  std::vector<NodeId> entry_segments(static_cast<std::size_t>(entries));
  std::vector<float> scales(static_cast<std::size_t>(n));
  for (std::int64_t s = 0; s < n; ++s) {
    std::fill(entry_segments.begin() + (segments.offsets[s] - first),
              entry_segments.begin() + (segments.offsets[s + 1] - first), static_cast<NodeId>(s));
    scales[static_cast<std::size_t>(s)] = segment_scale(segments, s, Reduce::mean);
  }
  entry_rows_.upload(ctx, segments.indices.slice(first, entries), rows, options);
  entry_segments_.upload(ctx, view_of(entry_segments), n, options);
  DeviceGuard const guard(ctx.device);
  auto const weights =
      segments.weights.empty() ? segments.weights : segments.weights.slice(first, entries);
  weights_.reset(weights.size);
  scales_.reset(n);
  staged_.begin();
  staged_.send<float>(ctx, weights, weights_.view());
  staged_.send<float>(ctx, view_of(scales), scales_.view());
  staged_.end(ctx);
}

std::int64_t DeviceSegments::workspace(std::int64_t d) const {
  return std::max(entry_rows_.workspace(d), entry_segments_.workspace(d));
}

}  // namespace relweave::ops
