#pragma once

#include <cstdint>
#include <vector>

#include <relweave/graph/co_interaction.hpp>

#include "item_order.hpp"
#include "link_store.hpp"
#include "neighbor_counts.hpp"

namespace relweave::graph {

struct Neighbor {
  float weight;
  NodeId id;
  std::int32_t count;
};

/// What decides about links, the same for all items. Items are ranks.
struct Selection {
  ItemTypes const& types;
  CoInteractionConfig const& config;
  ItemOrder const& order;
  std::int64_t events = 0;                 ///< in all histories
  std::vector<std::int32_t> lowest_users;  ///< of the items of a type up to each; descends

  /// Fills lowest_users.
  void learn_users();
};

/// Chooses the links of one item after the other and hands them to a store. Each item chooses among
/// all of its neighbours, so what it keeps is known without storing all links.
class LinkSelector {
 public:
  LinkSelector(Selection const& selection, std::int64_t buffer_bytes, LinkStore& store);

  /// The counts of item i: with every other item if there is pruning, else with those above it.
  void take(NodeId i, NeighborCounts const& counts);
  /// Call at the end. Adds to the report's counts of pairs and links; with pruning each is counted
  /// at both ends.
  void finish(CoInteractionReport& report);

 private:
  /// The strongest neighbours of one type so far.
  struct Top {
    std::vector<Neighbor> neighbors;
    Neighbor weakest{};             // that is kept; stands once there are enough
    std::int32_t lowest_count = 0;  // lower ones cannot be among the strongest
    NodeId first_single = 0;        // items before it have so many users that a count of one cannot
  };

  std::size_t type_of(NodeId j) const;
  void take_singles(NodeId i, NeighborCounts const& counts);
  void offer(NodeId i, std::size_t type, NodeId j, std::int32_t count);
  void cut(NodeId i, std::size_t type);
  float weight_of(NodeId i, NodeId j, std::int32_t count) const;
  double users(NodeId item) const;
  std::int32_t lowest_count_for(NodeId i, double weight) const;
  double most_users_for(NodeId i, double weight) const;
  void keep(NodeId i, Neighbor const& neighbor);
  void flush();

  Selection const& selection_;
  LinkStore& store_;
  std::size_t limit_;  // of links_
  std::vector<Link> links_;
  std::vector<Top> tops_;  // (types)
  CoInteractionReport found_;
};

}  // namespace relweave::graph
