#include "item_order.hpp"

#include <algorithm>
#include <numeric>

namespace relweave::graph {

ItemOrder order_by_events(InteractionLogView const& log, ItemTypes const& types) {
  auto const items = static_cast<std::size_t>(log.item_count);
  std::vector<std::int64_t> events(items, 0);
  for (NodeId const item : log.item) {
    ++events[static_cast<std::size_t>(item)];
  }
  ItemOrder order{.rank_of = std::vector<NodeId>(items), .id_of = std::vector<NodeId>(items)};
  std::iota(order.id_of.begin(), order.id_of.end(), NodeId{0});
  for (std::size_t t = 0; t < types.names.size(); ++t) {
    std::stable_sort(order.id_of.begin() + types.offsets[t],
                     order.id_of.begin() + types.offsets[t + 1], [&](NodeId a, NodeId b) {
                       return events[static_cast<std::size_t>(a)] >
                              events[static_cast<std::size_t>(b)];
                     });
  }
  for (std::size_t rank = 0; rank < items; ++rank) {
    order.rank_of[static_cast<std::size_t>(order.id_of[rank])] = static_cast<NodeId>(rank);
  }
  return order;
}

}  // namespace relweave::graph
