#pragma once

#include <cstdint>
#include <span>

#include <relweave/graph/co_interaction.hpp>

#include "item_order.hpp"
#include "log_index.hpp"
#include "pages.hpp"
#include "stage_progress.hpp"

namespace relweave::graph {

/// The items that make pairs, of a part of the users: of each the most recent ones without repeats,
/// ascending; and the reverse, whose history holds an item. Items are ranks of an ItemOrder.
struct CappedHistories {
  struct History {
    std::int64_t begin;  // in `item` and `time`
    std::int32_t length;
  };

  Pages<History> of_user;
  Pages<NodeId> item;
  Pages<std::int64_t> time;          // empty without a window
  Pages<std::int64_t> item_offsets;  // (items + 1)
  Pages<NodeId> holders;             // positions in of_user, grouped by item

  std::int64_t item_count() const { return item_offsets.size() - 1; }
  /// Users of this part whose history holds the item.
  std::int64_t degree(std::int64_t i) const { return item_offsets[i + 1] - item_offsets[i]; }
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
