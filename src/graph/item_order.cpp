#include "item_order.hpp"

#include <algorithm>

namespace relweave::graph {

ItemOrder order_by_events(InteractionLogView const& log, ItemTypes const& types) {
  auto const items = static_cast<std::size_t>(log.item_count);
  std::vector<std::int64_t> events(items, 0);
  for (NodeId const item : log.item) {
    ++events[static_cast<std::size_t>(item)];
  }
  ItemOrder order{.rank_of = std::vector<NodeId>(items), .items = {}};
  for (NodeId id = 0; id < log.item_count; ++id) {
    order.items.push_back({.id = id});
  }
  for (std::size_t t = 0; t < types.names.size(); ++t) {
    std::stable_sort(
        order.items.begin() + types.offsets[t], order.items.begin() + types.offsets[t + 1],
        [&](ItemOrder::Item const& a, ItemOrder::Item const& b) {
          return events[static_cast<std::size_t>(a.id)] > events[static_cast<std::size_t>(b.id)];
        });
  }
  for (std::size_t rank = 0; rank < items; ++rank) {
    order.rank_of[static_cast<std::size_t>(order.items[rank].id)] = static_cast<NodeId>(rank);
  }
  return order;
}

}  // namespace relweave::graph
