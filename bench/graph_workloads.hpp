#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

#include <relweave/core/parallel.hpp>
#include <relweave/core/random.hpp>
#include <relweave/graph/csr.hpp>

// Graphs at a device's scale, named once for all benchmarks and peers. workloads.hpp includes this.

namespace relweave::bench {

/// factor n, but at least the lesser of n and `least`.
inline std::int64_t scaled_size(std::int64_t n, double factor, std::int64_t least) {
  return std::max(std::min(n, least),
                  static_cast<std::int64_t>(std::llround(factor * static_cast<double>(n))));
}

/// A graph around all of its types. Type t has half the nodes of type t - 1. Relations link every
/// pair of types before any gets a second one; with one type they differ in size alone.
struct GraphWorkload {
  std::string_view name;
  std::int64_t nodes;  ///< of all types
  std::int64_t edges;  ///< of all relations
  std::int32_t types = 1;
  std::int32_t relations = 1;
  double skew = 0;           ///< exponent of the popularity of rows and sources; 0: uniform
  double relation_skew = 0;  ///< likewise of relations
  std::int64_t hubs = 0;     ///< rows with `hub_degree` edges
  std::int64_t hub_degree = 0;

  /// Hubs stay long enough to be cut into chunks.
  GraphWorkload scaled(double factor) const {
    GraphWorkload w = *this;
    w.nodes = scaled_size(nodes, factor, 64 * types);
    w.edges = scaled_size(edges, factor, 512);
    w.hubs = scaled_size(hubs, factor, 1);
    w.hub_degree = scaled_size(hub_degree, factor, 1'200);
    return w;
  }
};

/// products_like: ogbn-products with its self loops (a largest degree near 17,500). web_hubs: few
/// rows as long as the largest of a web graph. arxiv_like: ogbn-arxiv, both directions.
/// co_interaction_large: an item graph, a relation for each pair of types. many_relations:
/// FB15k-237. tiny_rows: rows of 0 to 4 edges.
inline constexpr std::array<GraphWorkload, 6> graph_workloads{
    {{.name = "products_like", .nodes = 2'449'029, .edges = 126'167'309, .skew = 0.45},
     {.name = "web_hubs",
      .nodes = 2'900'000,
      .edges = 28'000'000,
      .skew = 0.4,
      .hubs = 20,
      .hub_degree = 100'000},
     {.name = "arxiv_like", .nodes = 169'343, .edges = 2'315'598, .skew = 0.65},
     {.name = "co_interaction_large",
      .nodes = 1'000'000,
      .edges = 40'000'000,
      .types = 8,
      .relations = 36,
      .skew = 0.5},
     {.name = "many_relations",
      .nodes = 14'541,
      .edges = 310'116,
      .relations = 237,
      .skew = 0.5,
      .relation_skew = 0.9},
     {.name = "tiny_rows", .nodes = 4'000'000, .edges = 8'000'000}}};

/// A relation into a destination type. Where it has fewer edges than its source type has nodes,
/// messages are made of the sources with an edge alone, and `source_rows` names them.
struct GraphRelation {
  std::int32_t id = 0;  ///< in the whole graph
  std::int32_t source = 0;
  std::int64_t edges = 0;
  std::int64_t message_base = 0;
  std::int64_t message_rows = 0;
  bool all_sources = true;
  std::vector<NodeId> source_rows;  ///< unless all
};

/// Owner of the edges into one type.
struct GraphDestination {
  std::int32_t type = 0;
  std::int64_t n_dst = 0;
  std::int64_t message_rows = 0;
  std::vector<GraphRelation> relations;
  std::vector<EdgeOffset> row_offsets;
  std::vector<NodeId> cols;

  RelationCsrView<> view() const {
    return {.row_offsets = {row_offsets.data(), std::ssize(row_offsets)},
            .cols = {cols.data(), std::ssize(cols)},
            .n_dst = n_dst,
            .relations = static_cast<std::int32_t>(relations.size()),
            .message_rows = message_rows};
  }
};

struct WorkloadGraph {
  std::vector<std::int64_t> nodes;  ///< per type
  std::vector<GraphDestination> destinations;

  std::int64_t edges() const {
    std::int64_t sum = 0;
    for (auto const& destination : destinations) {
      sum += std::ssize(destination.cols);
    }
    return sum;
  }
};

namespace detail {

/// A number in [0, n) whose popularity falls with rank^-skew, ranks scattered over the numbers.
inline std::int64_t popular(RandomStream& random, std::int64_t n, double skew) {
  auto const count = static_cast<double>(n);
  auto const rank =
      static_cast<std::int64_t>(count * std::pow(random.uniform(), 1 / (1 - skew))) % n;
  return skew == 0 ? rank : rank * 7919 % n;  // 7919 is prime: a permutation unless it divides n
}

/// Edges of the row of this rank, out of a relation's.
inline std::int64_t degree_of(GraphWorkload const& w, std::int64_t rank, std::int64_t n,
                              std::int64_t edges, double uniform) {
  if (rank < w.hubs) {
    return w.hub_degree;
  }
  auto const mean = static_cast<double>(edges) / static_cast<double>(n);
  if (w.skew == 0) {
    return static_cast<std::int64_t>((2 * mean + 1) * uniform);
  }
  auto const share = std::pow(static_cast<double>(rank + 1) / static_cast<double>(n), -w.skew);
  return static_cast<std::int64_t>(mean * (1 - w.skew) * share + uniform);
}

/// Leaves the messages of sources without an edge out of a relation.
inline void keep_linked_sources(GraphDestination& to, GraphRelation& relation, std::int64_t r,
                                std::int64_t sources) {
  auto const relations = std::ssize(to.relations);
  std::vector<NodeId> row_of(static_cast<std::size_t>(sources), -1);
  auto const for_cols = [&](auto&& f) {
    for (std::int64_t i = 0; i < to.n_dst; ++i) {
      auto const row = static_cast<std::size_t>(i * relations + r);
      for (EdgeOffset e = to.row_offsets[row]; e < to.row_offsets[row + 1]; ++e) {
        f(to.cols[static_cast<std::size_t>(e)]);
      }
    }
  };
  for_cols([&](NodeId col) { row_of[static_cast<std::size_t>(col)] = 0; });
  for (std::int64_t s = 0; s < sources; ++s) {
    if (row_of[static_cast<std::size_t>(s)] == 0) {
      row_of[static_cast<std::size_t>(s)] = static_cast<NodeId>(relation.source_rows.size());
      relation.source_rows.push_back(static_cast<NodeId>(s));
    }
  }
  for_cols([&](NodeId& col) { col = row_of[static_cast<std::size_t>(col)]; });
}

/// Draws the edges into one type; its relations name their sources and numbers of edges.
inline void draw_edges(HostContext const& ctx, GraphWorkload const& w, WorkloadGraph const& graph,
                       std::uint64_t seed, GraphDestination& to) {
  auto const relations = std::ssize(to.relations);
  auto const stream_of = [&](std::int64_t row, int what) {
    auto const index =
        ((static_cast<std::uint64_t>(to.type) << 40) + static_cast<std::uint64_t>(row)) * 2;
    return RandomStream(seed, Purpose::synthetic, index + static_cast<std::uint64_t>(what));
  };
  to.row_offsets.assign(static_cast<std::size_t>(to.n_dst * relations) + 1, 0);
  for (std::int64_t row = 0; row < to.n_dst * relations; ++row) {
    std::int64_t const rank = (row / relations) * 7919 % to.n_dst;
    auto const edges = to.relations[static_cast<std::size_t>(row % relations)].edges;
    to.row_offsets[static_cast<std::size_t>(row) + 1] =
        to.row_offsets[static_cast<std::size_t>(row)] +
        degree_of(w, rank, to.n_dst, edges, stream_of(row, 0).uniform());
  }
  to.cols.resize(static_cast<std::size_t>(to.row_offsets.back()));
  parallel_for_blocks(ctx, to.n_dst * relations, 1024, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      auto const source = to.relations[static_cast<std::size_t>(row % relations)].source;
      auto const sources = graph.nodes[static_cast<std::size_t>(source)];
      auto const first = to.cols.begin() + to.row_offsets[static_cast<std::size_t>(row)];
      auto const last = to.cols.begin() + to.row_offsets[static_cast<std::size_t>(row) + 1];
      RandomStream random = stream_of(row, 1);
      std::generate(first, last,
                    [&] { return static_cast<NodeId>(popular(random, sources, w.skew)); });
      std::sort(first, last);
    }
  });
}

/// Numbers a relation's message rows and points its edges at them.
inline void place_messages(WorkloadGraph const& graph, GraphDestination& to) {
  auto const relations = std::ssize(to.relations);
  for (std::int64_t r = 0; r < relations; ++r) {
    auto& relation = to.relations[static_cast<std::size_t>(r)];
    relation.message_rows = graph.nodes[static_cast<std::size_t>(relation.source)];
    if (relation.edges < relation.message_rows) {
      relation.all_sources = false;
      keep_linked_sources(to, relation, r, relation.message_rows);
      relation.message_rows = std::ssize(relation.source_rows);
    }
    relation.message_base = to.message_rows;
    to.message_rows += relation.message_rows;
  }
  for (std::int64_t row = 0; row < to.n_dst * relations; ++row) {
    auto const base = to.relations[static_cast<std::size_t>(row % relations)].message_base;
    for (EdgeOffset e = to.row_offsets[static_cast<std::size_t>(row)];
         e < to.row_offsets[static_cast<std::size_t>(row) + 1]; ++e) {
      to.cols[static_cast<std::size_t>(e)] += static_cast<NodeId>(base);
    }
  }
}

}  // namespace detail

/// Popular rows have the edges, popular sources send them. Neighbours ascend, as a graph builder
/// leaves them. The same for any number of threads.
inline WorkloadGraph make_graph(HostContext const& ctx, GraphWorkload const& w,
                                std::uint64_t seed = 1) {
  WorkloadGraph graph;
  for (std::int32_t t = 0; t < w.types; ++t) {
    double const share = std::exp2(-t) / (2 - std::exp2(1 - w.types));
    graph.nodes.push_back(std::llround(share * static_cast<double>(w.nodes)));
    graph.destinations.push_back({.type = t, .n_dst = graph.nodes.back()});
  }
  double total = 0;
  std::vector<double> weights;
  for (std::int32_t id = 0; id < w.relations; ++id) {
    auto const destination = static_cast<std::size_t>(id % w.types);
    weights.push_back(static_cast<double>(graph.nodes[destination]) *
                      std::pow(id + 1, -w.relation_skew));
    total += weights.back();
  }
  auto const drawn = static_cast<double>(w.edges - w.hubs * w.hub_degree);
  for (std::int32_t id = 0; id < w.relations; ++id) {
    std::int32_t const destination = id % w.types;
    graph.destinations[static_cast<std::size_t>(destination)].relations.push_back(
        {.id = id,
         .source = (destination + id / w.types) % w.types,
         .edges = std::max(
             std::int64_t{1},
             static_cast<std::int64_t>(drawn * weights[static_cast<std::size_t>(id)] / total))});
  }
  for (auto& destination : graph.destinations) {
    detail::draw_edges(ctx, w, graph, seed, destination);
    detail::place_messages(graph, destination);
  }
  return graph;
}

}  // namespace relweave::bench
