#pragma once

#include <cstdint>
#include <vector>

#include <relweave/core/context.hpp>
#include <relweave/core/random.hpp>
#include <relweave/graph/builder.hpp>

#include "support/random_graph.hpp"

namespace relweave::test {

/// Edges of one relation as added to a builder.
struct EdgeList {
  std::vector<NodeId> source;
  std::vector<NodeId> destination;
  std::vector<float> weight;
};

/// Three types, five relations (one of them empty), with duplicates, self loops, destinations
/// without edges, and a hub: destination 0 of type "a" hears of every node of type "b".
struct SampleGraph {
  graph::Schema schema{{"a", "b", "c"},
                       {{NodeTypeId{0}, "knows", NodeTypeId{0}},
                        {NodeTypeId{1}, "of", NodeTypeId{0}},
                        {NodeTypeId{0}, "has", NodeTypeId{1}},
                        {NodeTypeId{2}, "near", NodeTypeId{1}},
                        {NodeTypeId{1}, "none", NodeTypeId{2}}}};
  std::vector<std::int64_t> node_counts{30, 50, 20};
  std::vector<EdgeList> edges;  // per relation

  explicit SampleGraph(std::uint64_t seed = 1)
      : edges(static_cast<std::size_t>(schema.relation_count())) {
    for (std::int32_t r = 0; r < 4; ++r) {
      RandomStream random(seed, Purpose::test, static_cast<std::uint64_t>(r));
      auto const& relation = schema.relation(static_cast<RelationId>(r));
      auto const sources = node_counts[static_cast<std::size_t>(index(relation.source))];
      auto const destinations = node_counts[static_cast<std::size_t>(index(relation.destination))];
      for (int e = 0; e < 150; ++e) {
        add(r, static_cast<NodeId>(random.below(static_cast<std::uint32_t>(sources))),
            // the last fifth of the destinations stays without edges
            static_cast<NodeId>(random.below(static_cast<std::uint32_t>(destinations * 4 / 5))),
            random.uniform_float());
      }
    }
    for (NodeId b = 0; b < 50; ++b) {
      add(1, b, 0, 1.0F);
    }
    add(0, 3, 3, 0.5F);
    add(0, 3, 3, 0.25F);
  }

  graph::HeteroGraph build(HostContext const& ctx = {}) const {
    graph::HeteroGraphBuilder builder(schema, node_counts);
    for (std::int32_t r = 0; r < schema.relation_count(); ++r) {
      EdgeList const& e = edges[static_cast<std::size_t>(r)];
      builder.add_edges(static_cast<RelationId>(r), view_of(e.source), view_of(e.destination),
                        r % 2 == 0 ? view_of(e.weight) : VectorView<float const>{});
    }
    return builder.build(ctx);
  }

 private:
  void add(std::int32_t r, NodeId source, NodeId destination, float weight) {
    EdgeList& e = edges[static_cast<std::size_t>(r)];
    e.source.push_back(source);
    e.destination.push_back(destination);
    e.weight.push_back(weight);
  }
};

}  // namespace relweave::test
