#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <relweave/core/error.hpp>
#include <relweave/ops/segment_mean/segment_mean.hpp>

namespace relweave::ops {

/// Checks everything but the pooled side, and returns the number of segments.
template <typename T>
std::int64_t check_segments(std::string_view here, Segments<T> const& segments,
                            std::int64_t table_rows, Reduce reduce) {
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
T segment_scale(Segments<T> const& segments, std::int64_t s, Reduce reduce) {
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

}  // namespace relweave::ops
