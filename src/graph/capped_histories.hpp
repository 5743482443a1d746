#pragma once

#include <cstdint>
#include <vector>

#include <relweave/graph/co_interaction.hpp>

namespace relweave::graph {

/// The items that make pairs: of every user the most recent ones without repeats, ascending by
/// item; and the reverse, where each item occurs.
struct CappedHistories {
  std::vector<std::int64_t> offsets;  // (users + 1)
  std::vector<NodeId> item;
  std::vector<std::int64_t> time;
  std::vector<NodeId> user;
  std::vector<std::int64_t> item_offsets;  // (items + 1)
  std::vector<std::int64_t> occurrences;   // positions in `item`, grouped by item

  std::int64_t item_count() const { return std::ssize(item_offsets) - 1; }
  /// Users whose history holds the item.
  std::int64_t degree(std::int64_t i) const {
    auto const k = static_cast<std::size_t>(i);
    return item_offsets[k + 1] - item_offsets[k];
  }
};

/// Fills the report's fields about events and users.
CappedHistories cap_histories(HostContext const& ctx, InteractionLogView const& log,
                              CoInteractionConfig const& config, CoInteractionReport& report);

}  // namespace relweave::graph
