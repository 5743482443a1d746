#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <relweave/graph/hetero_graph.hpp>
#include <relweave/graph/synthetic.hpp>

#include <workloads.hpp>

// Graphs of several node types, named once, for layers and samplers.

namespace relweave::bench {

/// Types of equally many nodes, and a relation from each type to each.
struct HeteroWorkload {
  std::string_view name;
  std::int32_t types;
  std::int64_t nodes;   ///< of each type
  std::int64_t degree;  ///< mean, of each relation
  double skew;          ///< exponent of the popularity of both ends
};

/// peers: the graph of the peers' comparison. peers_skewed: as many edges by a power law.
/// item_graph: what a layer over a whole graph of a small catalogue sees.
inline constexpr HeteroWorkload peers{"peers", 3, 20'000, 20, 0};
inline constexpr HeteroWorkload peers_skewed{"peers_skewed", 3, 20'000, 20, 0.8};
inline constexpr HeteroWorkload item_graph{"item_graph", 3, 4'000, 10, 0};

/// Built once.
inline graph::HeteroGraph const& hetero_graph(HeteroWorkload const& w) {
  static std::map<std::string_view, graph::HeteroGraph> graphs;
  auto const [at, added] = graphs.try_emplace(w.name);
  if (added) {
    std::vector<std::string> names;
    std::vector<graph::Relation> relations;
    for (std::int32_t t = 0; t < w.types; ++t) {
      names.push_back("t" + std::to_string(t));
      for (std::int32_t source = 0; source < w.types; ++source) {
        relations.push_back({static_cast<NodeTypeId>(source), "to", static_cast<NodeTypeId>(t)});
      }
    }
    auto const types = static_cast<std::size_t>(w.types);
    at->second = graph::synthetic_graph(
        {}, graph::Schema(names, relations),
        {.node_counts = std::vector<std::int64_t>(types, w.nodes),
         .edge_counts = std::vector<std::int64_t>(types * types, w.nodes * w.degree),
         .source_exponent = w.skew,
         .destination_exponent = w.skew});
  }
  return at->second;
}

/// `count` different nodes of each type, spread over them.
inline std::vector<std::vector<NodeId>> seed_nodes(HeteroWorkload const& w, std::int64_t count) {
  std::vector<NodeId> seeds;
  for (std::int64_t i = 0; i < count; ++i) {
    seeds.push_back(static_cast<NodeId>(i * 7919 % w.nodes));  // a prime: all different
  }
  return {static_cast<std::size_t>(w.types), seeds};
}

}  // namespace relweave::bench
