#pragma once

#include <cstdint>
#include <vector>

#include <relweave/graph/co_interaction.hpp>

namespace relweave::graph {

struct Link {
  NodeId lower;
  NodeId upper;
  std::int64_t count;
  float weight;
};

/// Keeps the links that are among the `top` strongest of one of their ends and the other end's
/// type. Higher weight first, then lower id. Links must be sorted by (lower, upper) and stay so.
void keep_strongest(HostContext const& ctx, ItemTypes const& types, std::int32_t top,
                    std::vector<Link>& links);

}  // namespace relweave::graph
