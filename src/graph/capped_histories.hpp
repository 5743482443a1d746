#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/graph/co_interaction.hpp>

#include "item_order.hpp"
#include "log_index.hpp"
#include "stage_progress.hpp"

namespace relweave::graph {

/// The items that make pairs, of a part of the users: of each the most recent ones without repeats,
/// ascending; and the reverse, whose history holds an item. Items are ranks of an ItemOrder.
struct CappedHistories {
  struct History {
    std::int64_t begin;  // in `item` and `time`
    std::int32_t length;
  };

  std::vector<History> of_user;
  Buffer<NodeId> item;
  Buffer<std::int64_t> time;               // empty without a window
  std::vector<std::int64_t> item_offsets;  // (items + 1)
  Buffer<NodeId> holders;                  // positions in of_user, grouped by item

  std::int64_t item_count() const { return std::ssize(item_offsets) - 1; }
  /// Users of this part whose history holds the item.
  std::int64_t degree(std::int64_t i) const {
    auto const k = static_cast<std::size_t>(i);
    return item_offsets[k + 1] - item_offsets[k];
  }
};

/// A user's events before they are capped.
struct UserEvent {
  std::int64_t time;
  NodeId item;
};

/// The histories of the users in [bounds[0], bounds[last]). The events of the users between two
/// bounds are in memory at the same time. Adds to the report's fields about events and users.
CappedHistories cap_histories(HostContext const& ctx, InteractionLogView const& log,
                              LogIndex const& index, ItemOrder const& order,
                              std::span<NodeId const> bounds, CoInteractionConfig const& config,
                              CoInteractionReport& report, StageProgress& progress);

}  // namespace relweave::graph
