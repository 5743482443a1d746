#pragma once

#include <cstdint>
#include <vector>

#include <relweave/graph/co_interaction.hpp>

namespace relweave::graph {

/// Ranks of the items, the busiest of each type first. Counting works on ranks: what is touched
/// most lies together, and who has a low rank is known to have many users. The ranks of a type are
/// its ids. The order never changes the links.
struct ItemOrder {
  /// What is looked up together.
  struct Item {
    NodeId id;
    std::int32_t users = 0;  ///< whose history holds it; filled as histories become known
  };
  std::vector<NodeId> rank_of;
  std::vector<Item> items;  // by rank

  Item const& operator[](NodeId rank) const { return items[static_cast<std::size_t>(rank)]; }
};

/// By the number of events, whether they are in use or not.
ItemOrder order_by_events(InteractionLogView const& log, ItemTypes const& types);

}  // namespace relweave::graph
