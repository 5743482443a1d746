#include "pair_counts.hpp"

#include <algorithm>
#include <numeric>

namespace relweave::graph {

namespace {

constexpr std::int64_t ahead = 4;
constexpr std::int64_t items_per_line = 64 / sizeof(NodeId);

/// Defined for times that are further apart than a signed number holds.
std::uint64_t distance(std::int64_t a, std::int64_t b) {
  return static_cast<std::uint64_t>(std::max(a, b)) - static_cast<std::uint64_t>(std::min(a, b));
}

}  // namespace

std::vector<std::int64_t> balanced_ranges(CappedHistories const& histories) {
  std::int64_t const items = histories.item_count();
  std::vector<std::int64_t> work(static_cast<std::size_t>(items), 0);
  std::int64_t total = 0;
  for (auto const [begin, length] : histories.of_user) {
    for (std::int64_t e = begin; e < begin + length; ++e) {
      work[static_cast<std::size_t>(histories.item[e])] += length;
    }
    total += std::int64_t{length} * length;
  }
  return balanced_bounds(work, std::clamp<std::int64_t>(total / (4 * items), 8, 256));
}

std::vector<std::int64_t> balanced_bounds(std::vector<std::int64_t> const& work,
                                          std::int64_t ranges) {
  // Without any work one range ends where all items end.
  std::int64_t const total =
      std::max<std::int64_t>(std::accumulate(work.begin(), work.end(), std::int64_t{0}), 1);
  std::vector<std::int64_t> bounds{0};
  std::int64_t done = 0;
  for (std::size_t i = 0; i < work.size(); ++i) {
    done += work[i];
    if (done * ranges >= total * std::ssize(bounds) || i + 1 == work.size()) {
      bounds.push_back(static_cast<std::int64_t>(i) + 1);
    }
  }
  return bounds;
}

void PairCounter::count(NodeId i, NeighborCounts& counts) const {
  NodeId const* const holders = histories_.holders.data() + histories_.item_offsets[i];
  std::int64_t const n = histories_.degree(i);
  auto const history = [&](std::int64_t h) -> CappedHistories::History const& {
    return histories_.of_user[holders[h]];
  };
  for (std::int64_t h = 0; h < n; ++h) {
    // Histories lie anywhere in memory: asked for ahead of time, they do not have to be waited for.
    if (h + 2 * ahead < n) {
      __builtin_prefetch(&history(h + 2 * ahead));
    }
    if (h + ahead < n) {
      auto const& next = history(h + ahead);
      for (std::int64_t e = 0; e < next.length; e += items_per_line) {
        __builtin_prefetch(histories_.item.data() + next.begin + e);
      }
    }
    count_history(i, history(h), counts);
  }
}

void PairCounter::count_history(NodeId i, CappedHistories::History history,
                                NeighborCounts& counts) const {
  NodeId const* const first = histories_.item.data() + history.begin;
  NodeId const* const last = first + history.length;
  NodeId const* const own = std::lower_bound(first, last, i);
  auto const window = static_cast<std::uint64_t>(config_.window_seconds);
  std::int64_t const* const times = window > 0 ? histories_.time.data() + history.begin : nullptr;
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
