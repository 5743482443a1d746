#pragma once

#include <cstdint>
#include <vector>

#include <relweave/graph/co_interaction.hpp>

#include "capped_histories.hpp"

namespace relweave::graph {

struct Link {
  NodeId lower;
  NodeId upper;
  std::int64_t count;
  float weight;
};

/// The links that config keeps, sorted by (lower, upper). Fills the report's fields about pairs and
/// links. With pruning, never more links are held than all items keep.
std::vector<Link> strongest_links(HostContext const& ctx, CappedHistories const& histories,
                                  ItemTypes const& types, CoInteractionConfig const& config,
                                  CoInteractionReport& report);

}  // namespace relweave::graph
