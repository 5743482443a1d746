#include <catch2/catch.hpp>

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/graph/builder.hpp>

#include "support/sample_graph.hpp"

using namespace relweave;
using graph::HeteroGraphBuilder;
using graph::Schema;
using test::view_of;

TEST_CASE("a graph small enough to lay out by hand", "[graph][builder]") {
  // into "b": a-x->b (message rows 0 1 2), b-y->b (message rows 3 4)
  Schema const schema({"a", "b"},
                      {{NodeTypeId{0}, "x", NodeTypeId{1}}, {NodeTypeId{1}, "y", NodeTypeId{1}}});
  HeteroGraphBuilder builder(schema, {3, 2});
  builder.add_edges(RelationId{0}, view_of<NodeId>({2, 0, 2}), view_of<NodeId>({1, 1, 0}),
                    view_of<float>({0.5F, 0.25F, 0.75F}));
  builder.add_edges(RelationId{1}, view_of<NodeId>({1}), view_of<NodeId>({1}));

  auto const graph = builder.build({});

  auto const csr = graph.csr(NodeTypeId{1});
  CHECK(csr.n_dst == 2);
  CHECK(csr.relations == 2);
  CHECK(csr.message_rows == 5);
  CHECK(std::vector(csr.row_offsets.begin(), csr.row_offsets.end()) ==
        std::vector<EdgeOffset>{0, 1, 1, 3, 4});
  CHECK(std::vector(csr.cols.begin(), csr.cols.end()) == std::vector<NodeId>{2, 0, 2, 4});
  auto const weights = graph.weights(NodeTypeId{1});
  CHECK(std::vector(weights.begin(), weights.end()) ==
        std::vector<float>{0.75F, 0.25F, 0.5F, 1.0F});
  auto const csc = graph.csc(NodeTypeId{1});
  CHECK(std::vector(csc.col_offsets.begin(), csc.col_offsets.end()) ==
        std::vector<EdgeOffset>{0, 1, 1, 3, 3, 4});
  CHECK(std::vector(csc.csr_rows.begin(), csc.csr_rows.end()) ==
        std::vector<std::int64_t>{2, 0, 2, 3});
  CHECK(std::vector(csc.slots.begin(), csc.slots.end()) == std::vector<std::int32_t>{0, 0, 1, 0});
  CHECK(graph.csr(NodeTypeId{0}).row_offsets.size == 1);
  CHECK(graph.weights(NodeTypeId{0}).empty());
  CHECK(graph.has_weights(RelationId{0}));
  CHECK_FALSE(graph.has_weights(RelationId{1}));
  CHECK(graph.edge_count(RelationId{0}) == 3);
  CHECK(graph.edge_count() == 4);
  CHECK(graph.node_count() == 5);
}

TEST_CASE("the layout holds exactly the edges that were added", "[graph][builder]") {
  test::SampleGraph const sample;
  auto const graph = sample.build();
  using Edge = std::tuple<std::int32_t, NodeId, NodeId, float>;
  std::vector<Edge> expected;
  for (std::size_t r = 0; r < sample.edges.size(); ++r) {
    for (std::size_t e = 0; e < sample.edges[r].source.size(); ++e) {
      expected.emplace_back(r, sample.edges[r].source[e], sample.edges[r].destination[e],
                            r % 2 == 0 ? sample.edges[r].weight[e] : 1.0F);
    }
  }

  std::vector<Edge> from_csr;
  std::vector<Edge> from_csc;
  for (DestinationBlock const& d : graph.block().destinations) {
    auto const csc = graph.csc(d.type);
    auto const weights = graph.weights(d.type);
    for (std::size_t r = 0; r < d.relations.size(); ++r) {
      RelationBlock const& relation = d.relations[r];
      CHECK(relation.message_rows == graph.node_count(relation.source));
      for (std::int64_t node = 0; node < d.csr.n_dst; ++node) {
        std::int64_t const row = node * d.csr.relations + static_cast<std::int64_t>(r);
        CHECK(std::is_sorted(d.csr.cols.begin() + d.csr.row_offsets[row],
                             d.csr.cols.begin() + d.csr.row_offsets[row + 1]));
        for (EdgeOffset e = d.csr.row_offsets[row]; e < d.csr.row_offsets[row + 1]; ++e) {
          from_csr.emplace_back(index(relation.relation), d.csr.cols[e] - relation.message_base,
                                node, weights.empty() ? 1.0F : weights[e]);
        }
      }
      for (std::int64_t s = 0; s < relation.message_rows; ++s) {
        std::int64_t const message = relation.message_base + s;
        for (EdgeOffset p = csc.col_offsets[message]; p < csc.col_offsets[message + 1]; ++p) {
          EdgeOffset const e = d.csr.row_offsets[csc.csr_rows[p]] + csc.slots[p];
          CHECK(d.csr.cols[e] == message);
          CHECK(csc.csr_rows[p] % d.csr.relations == static_cast<std::int64_t>(r));
          from_csc.emplace_back(index(relation.relation), s, csc.csr_rows[p] / d.csr.relations,
                                weights.empty() ? 1.0F : weights[e]);
        }
      }
    }
  }

  std::sort(expected.begin(), expected.end());
  std::sort(from_csr.begin(), from_csr.end());
  std::sort(from_csc.begin(), from_csc.end());
  CHECK(from_csr == expected);
  CHECK(from_csc == expected);
}

TEST_CASE("the graph is the same bits for any number of threads", "[graph][builder]") {
  auto const one = test::SampleGraph().build({.threads = 1});
  int const threads = GENERATE(2, 3);

  auto const other = test::SampleGraph().build({.threads = threads});

  for (std::int32_t t = 0; t < 3; ++t) {
    auto const type = static_cast<NodeTypeId>(t);
    auto const equal = [](auto a, auto b) {
      return std::equal(a.begin(), a.end(), b.begin(), b.end());
    };
    CHECK(equal(one.csr(type).row_offsets, other.csr(type).row_offsets));
    CHECK(equal(one.csr(type).cols, other.csr(type).cols));
    CHECK(equal(one.weights(type), other.weights(type)));
    CHECK(equal(one.csc(type).csr_rows, other.csc(type).csr_rows));
    CHECK(equal(one.csc(type).slots, other.csc(type).slots));
  }
}

TEST_CASE("hundreds of relations on one node type", "[graph][builder]") {
  std::vector<graph::Relation> relations;
  for (int r = 0; r < 500; ++r) {
    relations.push_back({NodeTypeId{0}, "r" + std::to_string(r), NodeTypeId{0}});
  }
  HeteroGraphBuilder builder(Schema({"entity"}, relations), {1000});
  for (std::int32_t r = 0; r < 500; ++r) {
    builder.add_edges(RelationId{r}, view_of<NodeId>({r, 999}), view_of<NodeId>({0, r}));
  }

  auto const graph = builder.build({});

  auto const csr = graph.csr(NodeTypeId{0});
  CHECK(csr.message_rows == 500 * 1000);
  CHECK(graph.edge_count() == 1000);
  for (std::int64_t r = 1; r < 500; ++r) {
    CHECK(csr.row_offsets[r + 1] - csr.row_offsets[r] == 1);  // destination 0
    CHECK(csr.cols[csr.row_offsets[r]] == r * 1000 + r);
    CHECK(csr.cols[csr.row_offsets[r * 500 + r]] == r * 1000 + 999);
  }
}

TEST_CASE("graphs without edges, nodes or relations", "[graph][builder]") {
  auto const no_edges = HeteroGraphBuilder(test::SampleGraph().schema, {3, 0, 1}).build({});
  auto const nothing = HeteroGraphBuilder(Schema({"a"}, {}), {0}).build({});

  CHECK(no_edges.edge_count() == 0);
  CHECK(no_edges.csr(NodeTypeId{0}).row_offsets.size == 3 * 2 + 1);
  CHECK(nothing.csr(NodeTypeId{0}).row_offsets.size == 1);
  CHECK(nothing.block().destinations.size() == 1);
}

TEST_CASE("views of a graph survive its move", "[graph][builder]") {
  auto graph = test::SampleGraph().build();
  auto const* const cols = graph.csr(NodeTypeId{0}).cols.data;

  auto const moved = std::move(graph);

  CHECK(moved.csr(NodeTypeId{0}).cols.data == cols);
  CHECK(moved.block().destinations[0].relations.data() != nullptr);
}

TEST_CASE("what the builder refuses", "[graph][builder]") {
  Schema const schema = test::SampleGraph().schema;
  constexpr std::int64_t most = std::numeric_limits<NodeId>::max();
  CHECK_THROWS_AS(HeteroGraphBuilder(schema, {1, 2}), ShapeError);
  CHECK_THROWS_WITH(HeteroGraphBuilder(schema, {1, -2, 3}), Catch::Contains("-2 nodes of type b"));
  CHECK_THROWS_AS(HeteroGraphBuilder(schema, {1, 2, most + 1}), GraphError);

  HeteroGraphBuilder builder(schema, {3, 4, 5});
  std::vector<NodeId> const two{0, 1};
  auto const ids = view_of(two);
  CHECK_THROWS_AS(builder.add_edges(RelationId{5}, ids, ids), IndexError);
  CHECK_THROWS_AS(builder.add_edges(RelationId{0}, ids, view_of<NodeId>({0})), ShapeError);
  CHECK_THROWS_AS(builder.add_edges(RelationId{0}, ids, ids, view_of<float>({1})), ShapeError);
  CHECK_THROWS_WITH(builder.add_edges(RelationId{1}, view_of<NodeId>({0, 4}), ids),
                    Catch::Contains("b__of__a") && Catch::Contains("source: got 4 at position 1"));
  CHECK_THROWS_AS(builder.add_edges(RelationId{1}, ids, view_of<NodeId>({0, -1})), IndexError);
  float const nan = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH(builder.add_edges(RelationId{0}, ids, ids, view_of<float>({1, nan})),
                    Catch::Contains("nan at position 1"));
  builder.add_edges(RelationId{0}, ids, ids, view_of<float>({1, 2}));
  CHECK_THROWS_AS(builder.add_edges(RelationId{0}, ids, ids), GraphError);
  CHECK(builder.build({}).edge_count() == 2);  // what was refused left nothing behind

  Schema const wide({"a"},
                    {{NodeTypeId{0}, "x", NodeTypeId{0}}, {NodeTypeId{0}, "y", NodeTypeId{0}}});
  // Refused before anything of that size is allocated.
  CHECK_THROWS_WITH(HeteroGraphBuilder(wide, {most}).build({}),
                    Catch::Contains("4294967294 message rows into a"));
}

TEST_CASE("schemas are looked up by name", "[graph][schema]") {
  Schema const schema = test::SampleGraph().schema;

  CHECK(schema.node_type("b") == NodeTypeId{1});
  CHECK(schema.relation("c", "near", "b") == RelationId{3});
  CHECK(schema.full_name(RelationId{3}) == "c__near__b");
  CHECK(schema.relations_into(NodeTypeId{0}).size() == 2);
  CHECK_THROWS_WITH(schema.node_type("z"), Catch::Contains("one of a, b, c"));
  CHECK_THROWS_WITH(schema.relation("a", "near", "b"), Catch::Contains("c__near__b"));
  CHECK_THROWS_AS(schema.name(NodeTypeId{3}), IndexError);
  CHECK_THROWS_AS(schema.relation(RelationId{-1}), IndexError);
  CHECK_THROWS_AS(Schema({"a", "a"}, {}), GraphError);
  CHECK_THROWS_AS(Schema({""}, {}), GraphError);
  CHECK_THROWS_AS(Schema({"a"}, {{NodeTypeId{0}, "", NodeTypeId{0}}}), GraphError);
  CHECK_THROWS_AS(Schema({"a"}, {{NodeTypeId{0}, "x", NodeTypeId{1}}}), GraphError);
  CHECK_THROWS_AS(
      Schema({"a"}, {{NodeTypeId{0}, "x", NodeTypeId{0}}, {NodeTypeId{0}, "x", NodeTypeId{0}}}),
      GraphError);
}
