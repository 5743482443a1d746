#include <relweave/graph/transform.hpp>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/graph/builder.hpp>

namespace relweave::graph {

namespace {

std::vector<std::int64_t> node_counts(HeteroGraph const& graph) {
  auto const counts = graph.block().n_src;
  return {counts.begin(), counts.end()};
}

/// Edges of one relation that a transform appends to.
struct EdgeList {
  std::vector<NodeId> source;
  std::vector<NodeId> destination;
  std::vector<float> weights;

  void add(NodeId s, NodeId d) {
    source.push_back(s);
    destination.push_back(d);
  }
  /// Copies edge e of `from`.
  void add(EdgeColumns const& from, std::int64_t e) {
    add(from.source.view()[e], from.destination.view()[e]);
    if (!from.weights.empty()) {
      weights.push_back(from.weights.view()[e]);
    }
  }
};

/// A graph with the same schema whose relations hold the edges that edit(relation, edges) returns.
template <typename Edit>
HeteroGraph rebuild(HostContext const& ctx, HeteroGraph const& graph,
                    std::vector<std::int64_t> counts, Edit const& edit) {
  HeteroGraphBuilder builder(graph.schema(), std::move(counts));
  for (std::int32_t r = 0; r < graph.schema().relation_count(); ++r) {
    auto const id = static_cast<RelationId>(r);
    EdgeList const kept = edit(graph.schema().relation(id), to_edges(graph, id));
    builder.add_edges(id, {kept.source.data(), std::ssize(kept.source)},
                      {kept.destination.data(), std::ssize(kept.destination)},
                      {kept.weights.data(), std::ssize(kept.weights)});
  }
  return builder.build(ctx);
}

}  // namespace

EdgeColumns to_edges(HeteroGraph const& graph, RelationId relation) {
  NodeTypeId const type = graph.schema().relation(relation).destination;
  auto const& block = graph.block().destinations[static_cast<std::size_t>(index(type))];
  auto const found = std::find_if(block.relations.begin(), block.relations.end(),
                                  [&](RelationBlock const& b) { return b.relation == relation; });
  auto const r = found - block.relations.begin();
  std::int64_t const count = graph.edge_count(relation);
  bool const weighted = graph.has_weights(relation);
  EdgeColumns edges{.source = Buffer<NodeId>(count),
                    .destination = Buffer<NodeId>(count),
                    .weights = Buffer<float>(weighted ? count : 0)};
  std::int64_t next = 0;
  for (std::int64_t d = 0; d < block.csr.n_dst; ++d) {
    std::int64_t const row = d * block.csr.relations + r;
    for (EdgeOffset e = block.csr.row_offsets[row]; e < block.csr.row_offsets[row + 1]; ++e) {
      edges.source.view()[next] = static_cast<NodeId>(block.csr.cols[e] - found->message_base);
      edges.destination.view()[next] = static_cast<NodeId>(d);
      if (weighted) {
        edges.weights.view()[next] = graph.weights(type)[e];
      }
      ++next;
    }
  }
  return edges;
}

HeteroGraph add_reverse(HostContext const& ctx, HeteroGraph const& graph,
                        std::span<ReverseName const> reverses) {
  Schema const& schema = graph.schema();
  std::vector<std::string> types;
  for (std::int32_t t = 0; t < schema.node_type_count(); ++t) {
    types.push_back(schema.name(static_cast<NodeTypeId>(t)));
  }
  std::vector<Relation> relations;
  for (std::int32_t r = 0; r < schema.relation_count(); ++r) {
    relations.push_back(schema.relation(static_cast<RelationId>(r)));
  }
  for (ReverseName const& reverse : reverses) {
    Relation const& forward = schema.relation(reverse.relation);
    relations.push_back({forward.destination, reverse.name, forward.source});
  }
  HeteroGraphBuilder builder(Schema(std::move(types), std::move(relations)), node_counts(graph));
  for (std::int32_t r = 0; r < schema.relation_count(); ++r) {
    auto const edges = to_edges(graph, static_cast<RelationId>(r));
    builder.add_edges(static_cast<RelationId>(r), edges.source.view(), edges.destination.view(),
                      edges.weights.view());
  }
  auto next = schema.relation_count();
  for (ReverseName const& reverse : reverses) {
    auto const edges = to_edges(graph, reverse.relation);
    builder.add_edges(static_cast<RelationId>(next++), edges.destination.view(),
                      edges.source.view(), edges.weights.view());
  }
  return builder.build(ctx);
}

HeteroGraph add_reverse(HostContext const& ctx, HeteroGraph const& graph, std::string_view suffix) {
  std::vector<ReverseName> reverses;
  for (std::int32_t r = 0; r < graph.schema().relation_count(); ++r) {
    auto const id = static_cast<RelationId>(r);
    reverses.push_back({id, graph.schema().relation(id).name + std::string(suffix)});
  }
  return add_reverse(ctx, graph, reverses);
}

HeteroGraph remove_duplicate_edges(HostContext const& ctx, HeteroGraph const& graph,
                                   DuplicateWeight weight) {
  return rebuild(ctx, graph, node_counts(graph), [&](Relation const&, EdgeColumns const& edges) {
    EdgeList kept;
    for (std::int64_t e = 0; e < edges.source.size(); ++e) {
      bool const repeats = !kept.source.empty() && kept.source.back() == edges.source.view()[e] &&
                           kept.destination.back() == edges.destination.view()[e];
      if (!repeats) {
        kept.add(edges, e);
      } else if (!edges.weights.empty() && weight == DuplicateWeight::sum) {
        kept.weights.back() += edges.weights.view()[e];
      } else if (!edges.weights.empty() && weight == DuplicateWeight::max) {
        kept.weights.back() = std::max(kept.weights.back(), edges.weights.view()[e]);
      }
    }
    return kept;
  });
}

HeteroGraph remove_self_loops(HostContext const& ctx, HeteroGraph const& graph) {
  return rebuild(ctx, graph, node_counts(graph), [](Relation const& r, EdgeColumns const& edges) {
    EdgeList kept;
    for (std::int64_t e = 0; e < edges.source.size(); ++e) {
      if (r.source != r.destination || edges.source.view()[e] != edges.destination.view()[e]) {
        kept.add(edges, e);
      }
    }
    return kept;
  });
}

HeteroGraph induced_subgraph(HostContext const& ctx, HeteroGraph const& graph,
                             std::span<VectorView<NodeId const> const> nodes) {
  constexpr std::string_view here = "induced_subgraph";
  auto const counts = graph.block().n_src;
  if (nodes.size() != counts.size()) {
    raise<ShapeError>(here, "nodes", std::to_string(nodes.size()) + " lists",
                      std::to_string(counts.size()) + ", one per node type");
  }
  std::vector<std::vector<NodeId>> new_ids;  // -1: not in the subgraph
  std::vector<std::int64_t> new_counts;
  for (std::size_t t = 0; t < nodes.size(); ++t) {
    expect_indices(here, "nodes", nodes[t], counts[t]);
    auto& ids = new_ids.emplace_back(static_cast<std::size_t>(counts[t]), -1);
    for (std::int64_t k = 0; k < nodes[t].size; ++k) {
      NodeId& id = ids[static_cast<std::size_t>(nodes[t][k])];
      if (id >= 0) {
        raise<GraphError>(here, "nodes",
                          "node " + std::to_string(nodes[t][k]) + " of type " +
                              graph.schema().name(static_cast<NodeTypeId>(t)) + " twice",
                          "unique nodes per type");
      }
      id = static_cast<NodeId>(k);
    }
    new_counts.push_back(nodes[t].size);
  }
  return rebuild(ctx, graph, new_counts, [&](Relation const& r, EdgeColumns const& edges) {
    auto const& sources = new_ids[static_cast<std::size_t>(index(r.source))];
    auto const& destinations = new_ids[static_cast<std::size_t>(index(r.destination))];
    EdgeList kept;
    for (std::int64_t e = 0; e < edges.source.size(); ++e) {
      NodeId const s = sources[static_cast<std::size_t>(edges.source.view()[e])];
      NodeId const d = destinations[static_cast<std::size_t>(edges.destination.view()[e])];
      if (s >= 0 && d >= 0) {
        kept.add(edges, e);
        kept.source.back() = s;
        kept.destination.back() = d;
      }
    }
    return kept;
  });
}

HeteroGraph top_neighbors(HostContext const& ctx, HeteroGraph const& graph, std::int32_t k) {
  if (k < 1) {
    raise<ConfigError>("top_neighbors", "k", std::to_string(k), "at least 1");
  }
  return rebuild(ctx, graph, node_counts(graph), [&](Relation const&, EdgeColumns const& edges) {
    EdgeList kept;
    std::vector<std::int64_t> row;
    auto const weights = edges.weights.view();
    auto const destinations = edges.destination.view();
    for (std::int64_t begin = 0, end = 0; begin < destinations.size; begin = end) {
      while (end < destinations.size && destinations[end] == destinations[begin]) {
        ++end;
      }
      row.resize(static_cast<std::size_t>(end - begin));
      std::iota(row.begin(), row.end(), begin);
      auto const last = row.begin() + std::min<std::ptrdiff_t>(k, std::ssize(row));
      // Positions ascend by source, so they break ties as the source would.
      std::partial_sort(row.begin(), last, row.end(), [&](std::int64_t a, std::int64_t b) {
        return weights.empty() || weights[a] == weights[b] ? a < b : weights[a] > weights[b];
      });
      std::for_each(row.begin(), last, [&](std::int64_t e) { kept.add(edges, e); });
    }
    return kept;
  });
}

}  // namespace relweave::graph
