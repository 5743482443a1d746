#pragma once

#include <cstdint>
#include <vector>

#include <relweave/graph/co_interaction.hpp>

#include "capped_histories.hpp"
#include "neighbor_counts.hpp"

namespace relweave::graph {

/// Bounds of ranges of items with about the same work in each. Every range needs counters of its
/// own, so little work makes few ranges.
std::vector<std::int64_t> balanced_ranges(CappedHistories const& histories);

/// Bounds of at most `ranges` ranges with about the same sum of `work`.
std::vector<std::int64_t> balanced_bounds(std::vector<std::int64_t> const& work,
                                          std::int64_t ranges);

/// Counts, for one item after the other, the histories that hold another item too, within the
/// window. With pruning every other item, else those above it.
class PairCounter {
 public:
  PairCounter(CappedHistories const& histories, CoInteractionConfig const& config)
      : histories_(histories), config_(config) {}

  void count(NodeId i, NeighborCounts& counts) const;

 private:
  void count_history(NodeId i, CappedHistories::History history, NeighborCounts& counts) const;

  CappedHistories const& histories_;
  CoInteractionConfig const& config_;
};

}  // namespace relweave::graph
