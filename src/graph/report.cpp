#include <relweave/graph/report.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <relweave/core/parallel.hpp>
#include <relweave/graph/transform.hpp>

namespace relweave::graph {

namespace {

DegreeSummary summarize(std::vector<std::int64_t> degrees) {
  DegreeSummary summary{.nodes = std::ssize(degrees)};
  if (degrees.empty()) {
    return summary;
  }
  std::sort(degrees.begin(), degrees.end());
  auto const n = static_cast<double>(degrees.size());
  summary.mean =
      static_cast<double>(std::accumulate(degrees.begin(), degrees.end(), std::int64_t{0})) / n;
  summary.max = degrees.back();
  for (std::size_t q = 0; q < summary.quantiles.size(); ++q) {
    auto const rank = static_cast<std::size_t>(std::ceil(DegreeSummary::quantile_levels[q] * n));
    summary.quantiles[q] = degrees[std::max<std::size_t>(rank, 1) - 1];
  }
  auto const isolated = std::upper_bound(degrees.begin(), degrees.end(), 0) - degrees.begin();
  summary.isolated_share = static_cast<double>(isolated) / n;
  return summary;
}

std::vector<std::int64_t> degrees_of(VectorView<NodeId const> ends, std::int64_t nodes) {
  std::vector<std::int64_t> degrees(static_cast<std::size_t>(nodes), 0);
  for (NodeId const node : ends) {
    ++degrees[static_cast<std::size_t>(node)];
  }
  return degrees;
}

std::optional<RelationId> opposite(Schema const& schema, Relation const& relation) {
  Relation const wanted{relation.destination, relation.name, relation.source};
  for (std::int32_t r = 0; r < schema.relation_count(); ++r) {
    if (schema.relation(static_cast<RelationId>(r)) == wanted) {
      return static_cast<RelationId>(r);
    }
  }
  return std::nullopt;
}

/// Edges come by destination, then source: those of `back` are looked up by bisection.
double share_with_reverse(EdgeColumns const& edges, EdgeColumns const& back) {
  auto const source = back.source.view();
  auto const destination = back.destination.view();
  std::int64_t found = 0;
  for (std::int64_t e = 0; e < edges.source.size(); ++e) {
    NodeId const s = edges.source.view()[e];
    NodeId const d = edges.destination.view()[e];
    auto const row = std::equal_range(destination.begin(), destination.end(), s);
    found += std::binary_search(source.begin() + (row.first - destination.begin()),
                                source.begin() + (row.second - destination.begin()), d)
                 ? 1
                 : 0;
  }
  return static_cast<double>(found) / static_cast<double>(edges.source.size());
}

RelationReport relation_report(HeteroGraph const& graph, RelationId id) {
  Relation const& relation = graph.schema().relation(id);
  EdgeColumns const edges = to_edges(graph, id);
  auto const source = edges.source.view();
  auto const destination = edges.destination.view();
  RelationReport result{.id = id,
                        .name = graph.schema().full_name(id),
                        .edges = source.size,
                        .weighted = graph.has_weights(id)};
  for (std::int64_t e = 0; e < source.size; ++e) {
    bool const repeats =
        e > 0 && source[e] == source[e - 1] && destination[e] == destination[e - 1];
    result.duplicates += repeats ? 1 : 0;
    bool const loop = relation.source == relation.destination && source[e] == destination[e];
    result.self_loops += loop ? 1 : 0;
  }
  result.in = summarize(degrees_of(destination, graph.node_count(relation.destination)));
  result.out = summarize(degrees_of(source, graph.node_count(relation.source)));
  if (auto const other = opposite(graph.schema(), relation); other && !source.empty()) {
    result.reciprocity = share_with_reverse(edges, to_edges(graph, *other));
  }
  return result;
}

double isolated_share(HeteroGraph const& graph, NodeTypeId type) {
  auto const nodes = static_cast<std::size_t>(graph.node_count(type));
  std::vector<bool> connected(nodes, false);
  for (DestinationBlock const& d : graph.block().destinations) {
    if (d.type == type) {
      for (std::size_t node = 0; node < nodes; ++node) {
        auto const row = static_cast<std::int64_t>(node) * d.csr.relations;
        connected[node] =
            connected[node] || d.csr.row_offsets[row + d.csr.relations] > d.csr.row_offsets[row];
      }
    }
    auto const columns = graph.csc(d.type).col_offsets;
    for (RelationBlock const& relation : d.relations) {
      for (std::size_t node = 0; relation.source == type && node < nodes; ++node) {
        std::int64_t const row = relation.message_base + static_cast<std::int64_t>(node);
        connected[node] = connected[node] || columns[row + 1] > columns[row];
      }
    }
  }
  auto const isolated = std::count(connected.begin(), connected.end(), false);
  return nodes == 0 ? 0 : static_cast<double>(isolated) / static_cast<double>(nodes);
}

template <typename... T>
std::int64_t bytes(VectorView<T>... views) {
  return (... + (views.size * static_cast<std::int64_t>(sizeof(T))));
}

}  // namespace

GraphReport report(HostContext const& ctx, HeteroGraph const& graph) {
  Schema const& schema = graph.schema();
  GraphReport result;
  result.nodes = graph.node_count();
  result.edges = graph.edge_count();
  result.node_types.resize(static_cast<std::size_t>(schema.node_type_count()));
  result.relations.resize(static_cast<std::size_t>(schema.relation_count()));
  parallel_for(ctx, schema.node_type_count(), [&](std::int64_t t) {
    auto const type = static_cast<NodeTypeId>(t);
    result.node_types[static_cast<std::size_t>(t)] = {
        .name = schema.name(type),
        .nodes = graph.node_count(type),
        .isolated_share = isolated_share(graph, type)};
  });
  parallel_for(ctx, schema.relation_count(), [&](std::int64_t r) {
    result.relations[static_cast<std::size_t>(r)] =
        relation_report(graph, static_cast<RelationId>(r));
  });
  for (DestinationBlock const& d : graph.block().destinations) {
    auto const csc = graph.csc(d.type);
    result.memory_bytes += bytes(d.csr.row_offsets, d.csr.cols, csc.col_offsets, csc.csr_rows,
                                 csc.slots, graph.weights(d.type));
  }
  return result;
}

}  // namespace relweave::graph
