#include <relweave/graph/builder.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>

namespace relweave::graph {

HeteroGraphBuilder::HeteroGraphBuilder(Schema schema, std::vector<std::int64_t> node_counts)
    : schema_(std::move(schema)),
      node_counts_(std::move(node_counts)),
      edges_(static_cast<std::size_t>(schema_.relation_count())) {
  constexpr std::string_view here = "HeteroGraphBuilder";
  if (std::ssize(node_counts_) != schema_.node_type_count()) {
    raise<ShapeError>(here, "node_counts", std::to_string(node_counts_.size()) + " counts",
                      std::to_string(schema_.node_type_count()) + ", one per node type");
  }
  for (std::size_t t = 0; t < node_counts_.size(); ++t) {
    if (node_counts_[t] < 0 || node_counts_[t] > std::numeric_limits<NodeId>::max()) {
      raise<GraphError>(here, "node_counts",
                        std::to_string(node_counts_[t]) + " nodes of type " +
                            schema_.name(static_cast<NodeTypeId>(t)),
                        "0 to " + std::to_string(std::numeric_limits<NodeId>::max()));
    }
  }
}

void HeteroGraphBuilder::add_edges(RelationId relation, VectorView<NodeId const> source,
                                   VectorView<NodeId const> destination,
                                   VectorView<float const> weights) {
  Relation const& r = schema_.relation(relation);
  std::string const here = "HeteroGraphBuilder.add_edges(" + schema_.full_name(relation) + ")";
  expect_size(here, "destination", destination, source.size);
  expect_indices(here, "source", source, node_counts_[static_cast<std::size_t>(index(r.source))]);
  expect_indices(here, "destination", destination,
                 node_counts_[static_cast<std::size_t>(index(r.destination))]);
  if (source.empty()) {
    return;
  }
  Edges& edges = edges_[static_cast<std::size_t>(index(relation))];
  if (!edges.source.empty() && edges.weighted == weights.empty()) {
    raise<GraphError>(here, "weights", weights.empty() ? "none" : "some",
                      edges.weighted ? "weights, as for the edges added before"
                                     : "none, as for the edges added before");
  }
  if (!weights.empty()) {
    expect_size(here, "weights", weights, source.size);
    for (std::int64_t e = 0; e < weights.size; ++e) {
      if (!std::isfinite(weights[e])) {
        raise<GraphError>(here, "weights",
                          std::to_string(weights[e]) + " at position " + std::to_string(e),
                          "finite numbers");
      }
    }
    edges.weighted = true;
    edges.weights.insert(edges.weights.end(), weights.begin(), weights.end());
  }
  edges.source.insert(edges.source.end(), source.begin(), source.end());
  edges.destination.insert(edges.destination.end(), destination.begin(), destination.end());
}

namespace {

/// Order of a relation's edges by destination, then source, duplicates as added: two counting
/// sorts.
std::vector<std::int64_t> sorted_order(std::vector<NodeId> const& source, std::int64_t sources,
                                       std::vector<NodeId> const& destination,
                                       std::int64_t destinations) {
  std::vector<std::int64_t> order(source.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  auto const pass = [&](std::vector<NodeId> const& keys, std::int64_t count) {
    std::vector<std::int64_t> next(static_cast<std::size_t>(count) + 1, 0);
    for (NodeId const key : keys) {
      ++next[static_cast<std::size_t>(key) + 1];
    }
    std::partial_sum(next.begin(), next.end(), next.begin());
    std::vector<std::int64_t> result(order.size());
    for (std::int64_t const e : order) {
      auto const key = static_cast<std::size_t>(keys[static_cast<std::size_t>(e)]);
      result[static_cast<std::size_t>(next[key]++)] = e;
    }
    order = std::move(result);
  };
  pass(source, sources);
  pass(destination, destinations);
  return order;
}

}  // namespace

void HeteroGraphBuilder::lay_out(NodeTypeId type, HeteroGraph::Incoming& in) const {
  for (RelationId const id : schema_.relations_into(type)) {
    NodeTypeId const source = schema_.relation(id).source;
    std::int64_t const sources = node_counts_[static_cast<std::size_t>(index(source))];
    in.relations.push_back({.relation = id,
                            .source = source,
                            .message_base = in.message_rows,
                            .message_rows = sources,
                            .source_rows = {}});
    in.message_rows += sources;
  }
  if (in.message_rows > std::numeric_limits<NodeId>::max()) {
    raise<GraphError>("HeteroGraphBuilder.build", "relations",
                      std::to_string(in.message_rows) + " message rows into " + schema_.name(type),
                      "at most " + std::to_string(std::numeric_limits<NodeId>::max()),
                      "Every relation needs one row per node of its source type: split the type, "
                      "or merge relations.");
  }
}

void HeteroGraphBuilder::count_rows(NodeTypeId type, HeteroGraph::Incoming& in) const {
  auto const r_count = std::ssize(in.relations);
  in.row_offsets =
      Buffer<EdgeOffset>::zeros(node_counts_[static_cast<std::size_t>(index(type))] * r_count + 1);
  auto const offsets = in.row_offsets.view();
  bool weighted = false;
  for (std::int64_t r = 0; r < r_count; ++r) {
    Edges const& edges = edges_of(in.relations[static_cast<std::size_t>(r)].relation);
    for (NodeId const dst : edges.destination) {
      ++offsets[dst * r_count + r + 1];
    }
    weighted = weighted || edges.weighted;
  }
  std::partial_sum(offsets.begin(), offsets.end(), offsets.begin());
  EdgeOffset const edge_count = offsets[offsets.size - 1];
  in.cols = Buffer<NodeId>(edge_count);
  in.weights = weighted ? Buffer<float>::filled(edge_count, 1.0F) : Buffer<float>();
}

void HeteroGraphBuilder::fill_rows(RelationId relation, HeteroGraph::Incoming& in) const {
  auto const r_count = std::ssize(in.relations);
  auto const found = std::find_if(in.relations.begin(), in.relations.end(),
                                  [&](RelationBlock const& b) { return b.relation == relation; });
  auto const r = found - in.relations.begin();
  Edges const& edges = edges_of(relation);
  NodeTypeId const type = schema_.relation(relation).destination;
  auto const order = sorted_order(edges.source, found->message_rows, edges.destination,
                                  node_counts_[static_cast<std::size_t>(index(type))]);
  NodeId previous = -1;
  EdgeOffset position = 0;
  for (std::int64_t const edge : order) {
    auto const e = static_cast<std::size_t>(edge);
    NodeId const dst = edges.destination[e];
    position = dst == previous ? position + 1 : in.row_offsets.view()[dst * r_count + r];
    previous = dst;
    in.cols.view()[position] = static_cast<NodeId>(found->message_base + edges.source[e]);
    if (edges.weighted) {
      in.weights.view()[position] = edges.weights[e];
    }
  }
}

void HeteroGraphBuilder::transpose(HeteroGraph::Incoming& in) {
  auto const offsets = in.row_offsets.view();
  auto const cols = in.cols.view();
  in.col_offsets = Buffer<EdgeOffset>::zeros(in.message_rows + 1);
  in.csr_rows = Buffer<std::int64_t>(cols.size);
  in.slots = Buffer<std::int32_t>(cols.size);
  auto const col_offsets = in.col_offsets.view();
  for (NodeId const col : cols) {
    ++col_offsets[col + 1];
  }
  std::partial_sum(col_offsets.begin(), col_offsets.end(), col_offsets.begin());
  std::vector<EdgeOffset> next(col_offsets.begin(), col_offsets.end());
  for (std::int64_t row = 0; row + 1 < offsets.size; ++row) {
    for (EdgeOffset e = offsets[row]; e < offsets[row + 1]; ++e) {
      EdgeOffset const place = next[static_cast<std::size_t>(cols[e])]++;
      in.csr_rows.view()[place] = row;
      in.slots.view()[place] = static_cast<std::int32_t>(e - offsets[row]);
    }
  }
}

HeteroGraph HeteroGraphBuilder::build(HostContext const& ctx) {
  HeteroGraph graph;
  graph.incoming_.resize(node_counts_.size());
  for (std::size_t t = 0; t < node_counts_.size(); ++t) {
    lay_out(static_cast<NodeTypeId>(t), graph.incoming_[t]);
  }
  for (Edges const& edges : edges_) {
    graph.edge_counts_.push_back(std::ssize(edges.source));
    graph.weighted_.push_back(edges.weighted);
  }
  parallel_for(ctx, std::ssize(node_counts_), [&](std::int64_t t) {
    count_rows(static_cast<NodeTypeId>(t), graph.incoming_[static_cast<std::size_t>(t)]);
  });
  parallel_for(ctx, schema_.relation_count(), [&](std::int64_t r) {
    auto const relation = static_cast<RelationId>(r);
    auto const type = static_cast<std::size_t>(index(schema_.relation(relation).destination));
    fill_rows(relation, graph.incoming_[type]);
  });
  parallel_for(ctx, std::ssize(node_counts_),
               [&](std::int64_t t) { transpose(graph.incoming_[static_cast<std::size_t>(t)]); });

  for (std::size_t t = 0; t < node_counts_.size(); ++t) {
    HeteroGraph::Incoming const& in = graph.incoming_[t];
    graph.destinations_.push_back(
        {.type = static_cast<NodeTypeId>(t),
         .csr = {.row_offsets = in.row_offsets.view(),
                 .cols = in.cols.view(),
                 .n_dst = node_counts_[t],
                 .relations = static_cast<std::int32_t>(in.relations.size()),
                 .message_rows = in.message_rows},
         .relations = in.relations});
  }
  graph.node_counts_ = std::move(node_counts_);
  graph.schema_ = std::move(schema_);
  *this = HeteroGraphBuilder();
  return graph;
}

}  // namespace relweave::graph
