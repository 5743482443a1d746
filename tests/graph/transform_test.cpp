#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/graph/report.hpp>
#include <relweave/graph/transform.hpp>

#include "support/sample_graph.hpp"

using namespace relweave;
using graph::HeteroGraph;
using test::view_of;

namespace {

using Edge = std::tuple<NodeId, NodeId, float>;  // destination, source, weight

std::vector<Edge> edges_of(HeteroGraph const& graph, std::int32_t relation) {
  auto const columns = graph::to_edges(graph, static_cast<RelationId>(relation));
  std::vector<Edge> edges;
  for (std::int64_t e = 0; e < columns.source.size(); ++e) {
    edges.emplace_back(columns.destination.view()[e], columns.source.view()[e],
                       columns.weights.empty() ? 1.0F : columns.weights.view()[e]);
  }
  return edges;
}

std::vector<Edge> sample_edges(std::int32_t relation) {
  test::SampleGraph const sample;
  auto const& list = sample.edges[static_cast<std::size_t>(relation)];
  std::vector<Edge> edges;
  for (std::size_t e = 0; e < list.source.size(); ++e) {
    edges.emplace_back(list.destination[e], list.source[e],
                       relation % 2 == 0 ? list.weight[e] : 1.0F);
  }
  return edges;
}

template <typename T>
std::vector<T> sorted(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  return values;
}

}  // namespace

TEST_CASE("to_edges gives back what the builder took", "[graph][transform]") {
  auto const graph = test::SampleGraph().build();

  for (std::int32_t r = 0; r < 5; ++r) {
    auto const edges = edges_of(graph, r);
    CHECK(sorted(edges) == sorted(sample_edges(r)));
    CHECK(std::is_sorted(edges.begin(), edges.end(), [](Edge const& a, Edge const& b) {
      return std::tie(std::get<0>(a), std::get<1>(a)) < std::tie(std::get<0>(b), std::get<1>(b));
    }));
  }
}

TEST_CASE("reverse relations carry the same edges the other way", "[graph][transform]") {
  auto const graph = test::SampleGraph().build();

  auto const both = graph::add_reverse({}, graph, "_back");

  REQUIRE(both.schema().relation_count() == 10);
  CHECK(both.schema().full_name(RelationId{6}) == "a__of_back__b");
  CHECK(both.edge_count() == 2 * graph.edge_count());
  for (std::int32_t r = 0; r < 5; ++r) {
    std::vector<Edge> turned;
    for (auto const& [destination, source, weight] : edges_of(both, r + 5)) {
      turned.emplace_back(source, destination, weight);
    }
    CHECK(sorted(turned) == sorted(edges_of(graph, r)));
    CHECK(edges_of(both, r) == edges_of(graph, r));
  }
}

TEST_CASE("single relations are reversed under names of their own", "[graph][transform]") {
  auto const graph = test::SampleGraph().build();
  std::vector<graph::ReverseName> const names{{RelationId{1}, "owned_by"}};
  std::vector<graph::ReverseName> const taken{{RelationId{0}, "knows"}};

  auto const both = graph::add_reverse({}, graph, names);

  CHECK(both.schema().relation_count() == 6);
  CHECK(both.schema().relation("a", "owned_by", "b") == RelationId{5});
  CHECK_THROWS_AS(graph::add_reverse({}, graph, taken), GraphError);
  CHECK_THROWS_AS(graph::add_reverse({}, graph, ""), GraphError);  // a__knows__a twice
}

TEST_CASE("duplicate edges become one, weights as asked", "[graph][transform]") {
  auto const graph = test::SampleGraph().build();
  using graph::DuplicateWeight;
  auto const rule = GENERATE(DuplicateWeight::first, DuplicateWeight::sum, DuplicateWeight::max);

  auto const unique = graph::remove_duplicate_edges({}, graph, rule);

  for (std::int32_t r = 0; r < 5; ++r) {
    std::map<std::pair<NodeId, NodeId>, float> expected;
    for (auto const& [destination, source, weight] : sample_edges(r)) {
      auto const [at, added] = expected.try_emplace({destination, source}, weight);
      if (!added && r % 2 == 0) {
        at->second = rule == DuplicateWeight::sum   ? at->second + weight
                     : rule == DuplicateWeight::max ? std::max(at->second, weight)
                                                    : at->second;
      }
    }
    auto const edges = edges_of(unique, r);
    REQUIRE(edges.size() == expected.size());
    for (auto const& [destination, source, weight] : edges) {
      CHECK(weight == Approx(expected.at({destination, source})));
    }
  }
}

TEST_CASE("self loops go, edges between types stay", "[graph][transform]") {
  auto const graph = test::SampleGraph().build();

  auto const simple = graph::remove_self_loops({}, graph);

  for (auto const& [destination, source, weight] : edges_of(simple, 0)) {
    CHECK(destination != source);
  }
  CHECK(simple.edge_count(RelationId{0}) < graph.edge_count(RelationId{0}));
  CHECK(edges_of(simple, 1) == edges_of(graph, 1));
}

TEST_CASE("an induced subgraph renumbers nodes in the given order", "[graph][transform]") {
  auto const graph = test::SampleGraph().build();
  std::vector<NodeId> const a{3, 0, 7};
  std::vector<NodeId> const b{49, 2, 11, 30};
  std::vector<VectorView<NodeId const>> const nodes{view_of(a), view_of(b), {}};

  auto const part = graph::induced_subgraph({}, graph, nodes);

  CHECK(part.node_count(NodeTypeId{0}) == 3);
  CHECK(part.node_count(NodeTypeId{2}) == 0);
  std::vector<Edge> expected;
  for (auto const& [destination, source, weight] : sample_edges(1)) {
    auto const s = std::find(b.begin(), b.end(), source);
    auto const d = std::find(a.begin(), a.end(), destination);
    if (s != b.end() && d != a.end()) {
      expected.emplace_back(d - a.begin(), s - b.begin(), weight);
    }
  }
  CHECK(sorted(edges_of(part, 1)) == sorted(expected));
  std::vector<NodeId> const twice{1, 1};
  std::vector<VectorView<NodeId const>> const repeated{view_of(twice), {}, {}};
  CHECK_THROWS_AS(graph::induced_subgraph({}, graph, repeated), GraphError);
  CHECK_THROWS_AS(graph::induced_subgraph({}, graph, std::span(nodes).first(2)), ShapeError);
}

TEST_CASE("top_neighbors keeps the heaviest edges of every row", "[graph][transform]") {
  auto const graph = test::SampleGraph().build();

  auto const pruned = graph::top_neighbors({}, graph, 2);

  for (std::int32_t r = 0; r < 5; ++r) {
    std::map<NodeId, std::vector<std::pair<float, NodeId>>> rows;
    for (auto const& [destination, source, weight] : sample_edges(r)) {
      rows[destination].emplace_back(-weight, source);
    }
    std::vector<Edge> expected;
    for (auto& [destination, row] : rows) {
      std::sort(row.begin(), row.end());
      row.resize(std::min<std::size_t>(row.size(), 2));
      for (auto const& [weight, source] : row) {
        expected.emplace_back(destination, source, -weight);
      }
    }
    CHECK(sorted(edges_of(pruned, r)) == sorted(expected));
  }
  CHECK_THROWS_AS(graph::top_neighbors({}, graph, 0), ConfigError);
}

TEST_CASE("the report counts what is in the graph", "[graph][report]") {
  graph::HeteroGraphBuilder builder({{"a", "b"},
                                     {{NodeTypeId{0}, "to", NodeTypeId{1}},
                                      {NodeTypeId{1}, "to", NodeTypeId{0}},
                                      {NodeTypeId{0}, "self", NodeTypeId{0}}}},
                                    {4, 10});
  builder.add_edges(RelationId{0}, view_of<NodeId>({0, 0, 1, 2, 2}),
                    view_of<NodeId>({5, 6, 5, 5, 5}), view_of<float>({1, 1, 1, 1, 1}));
  builder.add_edges(RelationId{1}, view_of<NodeId>({5, 6, 7}), view_of<NodeId>({0, 0, 1}));
  builder.add_edges(RelationId{2}, view_of<NodeId>({2}), view_of<NodeId>({2}));
  auto const graph = builder.build({});

  auto const report = graph::report({}, graph);

  CHECK(report.nodes == 14);
  CHECK(report.edges == 9);
  CHECK(report.node_types[0].isolated_share == Approx(0.25));  // node 3
  CHECK(report.node_types[1].isolated_share == Approx(0.7));   // all but 5, 6, 7
  auto const& to = report.relations[0];
  CHECK(to.name == "a__to__b");
  CHECK(to.weighted);
  CHECK(to.duplicates == 1);
  CHECK(to.in.max == 4);
  CHECK(to.in.mean == Approx(0.5));
  CHECK(to.in.isolated_share == Approx(0.8));
  CHECK(to.in.quantiles == std::array<std::int64_t, 4>{0, 1, 4, 4});
  CHECK(to.out.quantiles == std::array<std::int64_t, 4>{1, 2, 2, 2});
  CHECK(to.out.isolated_share == Approx(0.25));
  CHECK(to.reciprocity.value() == Approx(0.4));  // 0-5, 0-6 of five edges
  CHECK(report.relations[1].reciprocity.value() == Approx(2.0 / 3));
  CHECK(report.relations[2].self_loops == 1);
  CHECK(report.relations[2].reciprocity.value() == 1);
  // rows: (4*2+1 + 10*1+1) offsets; columns: (10+4+1 + 4+1) offsets; 9 edges; 5 weights
  CHECK(report.memory_bytes == 8 * (9 + 11) + 8 * (15 + 5) + 9 * (4 + 8 + 4) + 5 * 4);
  auto const text = graph::to_text(report);
  CHECK_THAT(text, Catch::Contains("14 nodes, 9 edges"));
  CHECK_THAT(text, Catch::Contains("a__to__b") && Catch::Contains("40.0 %"));
}

TEST_CASE("the report of a graph without edges", "[graph][report]") {
  auto const graph =
      graph::HeteroGraphBuilder({{"a"}, {{NodeTypeId{0}, "to", NodeTypeId{0}}}}, {0}).build({});

  auto const report = graph::report({}, graph);

  CHECK(report.edges == 0);
  CHECK(report.relations[0].in.mean == 0);
  CHECK_FALSE(report.relations[0].reciprocity.has_value());
  CHECK_FALSE(graph::to_text(report).empty());
}
