#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <relweave/graph/builder.hpp>

#include "random_graph.hpp"

namespace relweave::test {

/// Sixteen types of 40 nodes and a relation for every ordered pair of types but into the last,
/// which receives nothing. Most relations have 6 edges; those of every other type with itself are
/// dense, and those from the first type into others have none.
inline graph::HeteroGraph many_relations() {
  constexpr std::int32_t types = 16;
  constexpr std::int64_t nodes = 40;
  std::vector<std::string> names;
  std::vector<graph::Relation> relations;
  for (std::int32_t a = 0; a < types; ++a) {
    names.push_back("t" + std::to_string(a));
    for (std::int32_t b = 0; b + 1 < types; ++b) {
      relations.push_back({static_cast<NodeTypeId>(a), "to", static_cast<NodeTypeId>(b)});
    }
  }
  graph::Schema const schema(names, relations);
  graph::HeteroGraphBuilder builder(schema, std::vector<std::int64_t>(types, nodes));
  for (std::int32_t r = 0; r < schema.relation_count(); ++r) {
    auto const& relation = schema.relation(static_cast<RelationId>(r));
    bool const dense = relation.source == relation.destination && index(relation.source) % 2 == 0;
    std::int64_t const edges = dense ? 400 : index(relation.source) == 0 ? 0 : 6;
    auto const seed = static_cast<std::uint64_t>(2 * r);
    auto const sources = random_indices(edges, nodes, seed);
    auto const destinations = random_indices(edges, nodes, seed + 1);
    builder.add_edges(static_cast<RelationId>(r), view_of(sources), view_of(destinations));
  }
  return builder.build(HostContext{});
}

}  // namespace relweave::test
