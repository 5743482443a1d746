#include "pair_counts.hpp"

#include <algorithm>

namespace relweave::graph {

namespace {

/// Defined for times that are further apart than a signed number holds.
std::uint64_t distance(std::int64_t a, std::int64_t b) {
  return static_cast<std::uint64_t>(std::max(a, b)) - static_cast<std::uint64_t>(std::min(a, b));
}

}  // namespace

std::vector<std::int64_t> balanced_ranges(CappedHistories const& histories) {
  std::int64_t const items = histories.item_count();
  std::vector<std::int64_t> work(static_cast<std::size_t>(items), 0);
  std::int64_t total = 1;  // no event at all makes one range
  for (auto const [begin, length] : histories.of_user) {
    for (std::int64_t e = begin; e < begin + length; ++e) {
      work[static_cast<std::size_t>(histories.item.data()[e])] += length;
    }
    total += std::int64_t{length} * length;
  }
  std::int64_t const ranges = std::clamp<std::int64_t>(total / (4 * items), 8, 256);
  std::vector<std::int64_t> bounds{0};
  std::int64_t done = 0;
  for (std::int64_t i = 0; i < items; ++i) {
    done += work[static_cast<std::size_t>(i)];
    if (done * ranges >= total * std::ssize(bounds) || i + 1 == items) {
      bounds.push_back(i + 1);
    }
  }
  return bounds;
}

void PairCounter::count(NodeId i, NeighborCounts& counts) const {
  std::int64_t const end = histories_.item_offsets[static_cast<std::size_t>(i) + 1];
  for (std::int64_t h = histories_.item_offsets[static_cast<std::size_t>(i)]; h < end; ++h) {
    auto const holder = static_cast<std::size_t>(histories_.holders.data()[h]);
    count_history(i, histories_.of_user[holder], counts);
  }
}

void PairCounter::count_history(NodeId i, CappedHistories::History history,
                                NeighborCounts& counts) const {
  NodeId const* const first = histories_.item.data() + history.begin;
  NodeId const* const last = first + history.length;
  NodeId const* const own = std::lower_bound(first, last, i);
  auto const window = static_cast<std::uint64_t>(config_.window_seconds);
  std::int64_t const* const times =
      window > 0 ? histories_.time.data() + history.begin : nullptr;
  auto const count = [&](NodeId const* begin, NodeId const* end) {
    for (NodeId const* other = begin; other != end; ++other) {
      if (window == 0 || distance(times[own - first], times[other - first]) <= window) {
        counts.add(*other);
      }
    }
  };
  if (config_.top_neighbors > 0) {
    count(first, own);
  }
  count(own + 1, last);
}

}  // namespace relweave::graph
