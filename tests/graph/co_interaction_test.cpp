#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <map>
#include <tuple>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/core/random.hpp>
#include <relweave/graph/co_interaction.hpp>

#include <support/interaction_log.hpp>

using namespace relweave;
using namespace relweave::test;
using graph::CoInteractionConfig;
using graph::CoInteractionReport;
using graph::EdgeWeight;
using graph::ItemLinks;

TEST_CASE("links of a log small enough to count by hand", "[graph][co_interaction]") {
  graph::ItemTypes const types{.names = {"a", "b"}, .offsets = {0, 2, 4}};
  // user 0: items 0, 1, 2; user 1: items 0, 2; user 2: item 3 alone; user 3: nothing
  Log const log({{0, 0, 10}, {0, 1, 20}, {0, 2, 30}, {0, 0, 15}, {1, 2, 5}, {1, 0, 4}, {2, 3, 1}},
                4, 4);
  CoInteractionReport report;

  auto const links =
      graph::co_interaction_links({}, log.view(), types, {.top_neighbors = 0}, &report);

  auto const rows = rows_of(links);
  REQUIRE(rows.size() == 3);
  CHECK(std::tuple(rows[0].lower, rows[0].upper, rows[0].count) == std::tuple(0, 1, 1));
  CHECK(std::tuple(rows[1].lower, rows[1].upper, rows[1].count) == std::tuple(0, 2, 2));
  CHECK(std::tuple(rows[2].lower, rows[2].upper, rows[2].count) == std::tuple(1, 2, 1));
  CHECK(rows[0].weight == Approx(1 / std::sqrt(2.0)));
  CHECK(rows[1].weight == Approx(1));
  CHECK(report.events == 7);
  CHECK(report.repeats_merged == 1);
  CHECK(report.out_of_order == 2);
  CHECK(report.users == 3);
  CHECK(report.single_item_users == 1);
  CHECK(report.pairs == 4);
  CHECK(report.links == 3);
  CHECK(report.links_per_type_pair == std::vector<std::int64_t>{1, 2, 0, 0});
}

TEST_CASE("links equal the plain definition", "[graph][co_interaction]") {
  auto const events = random_events(1500, 60, 60);
  Log const log(events, 60, 60);
  CoInteractionConfig config;
  config.weight = GENERATE(EdgeWeight::count, EdgeWeight::cosine, EdgeWeight::pmi);
  config.top_neighbors = GENERATE(0, 1, 4);
  std::tie(config.max_history, config.window_seconds, config.min_count, config.strong_only) =
      GENERATE(table<std::int32_t, std::int64_t, std::int64_t, bool>(
          {{50, 0, 1, false}, {8, 0, 2, true}, {10, 30 * 3600, 1, false}, {2, 3600, 1, true}}));

  auto const links = graph::co_interaction_links({}, log.view(), three_types, config);

  auto const expected = brute_force(events, three_types, config);
  auto const got = rows_of(links);
  REQUIRE(got.size() == expected.size());
  CHECK(got == expected);
}

TEST_CASE("links are the same for any order of rows and number of threads",
          "[graph][co_interaction]") {
  auto events = random_events(3000, 80, 60);
  auto const sorted = rows_of(graph::co_interaction_links(
      {.threads = 1}, Log(events, 80, 60).view(), three_types, {.max_history = 12}));
  RandomStream(1, Purpose::test, 0).shuffle(events.begin(), events.end());
  int const threads = GENERATE(1, 2, 3);

  auto const links = graph::co_interaction_links({.threads = threads}, Log(events, 80, 60).view(),
                                                 three_types, {.max_history = 12});

  CHECK(rows_of(links) == sorted);
}

TEST_CASE("the report accounts for every event and link", "[graph][co_interaction]") {
  auto const events = random_events(3000, 50, 60);
  Log const log(events, 50, 60);
  CoInteractionReport report;

  auto const links = graph::co_interaction_links(
      {}, log.view(), three_types,
      {.max_history = 10, .min_count = 2, .top_neighbors = 3, .strong_only = true}, &report);

  std::int64_t by_type = 0;
  for (std::int64_t const n : report.links_per_type_pair) {
    by_type += n;
  }
  CHECK(report.events == 3000);
  CHECK(report.strong + report.weak == report.events);
  CHECK(report.weak_left_out == report.weak);
  CHECK(report.events == report.weak_left_out + report.repeats_merged + report.over_cap + 50 * 10);
  CHECK(report.links_found == report.below_min_count + report.beyond_top + report.links);
  CHECK(report.links == links.lower.size());
  CHECK(by_type == report.links);
  CHECK(report.below_min_count > 0);
  CHECK(report.beyond_top > 0);
}

TEST_CASE("the cap keeps the most recent items, ties by higher id", "[graph][co_interaction]") {
  graph::ItemTypes const types{.names = {"a"}, .offsets = {0, 5}};
  Log const log({{0, 0, 1}, {0, 1, 7}, {0, 2, 7}, {0, 3, 7}, {0, 0, 9}}, 1, 5);

  auto const links = graph::co_interaction_links({}, log.view(), types, {.max_history = 3});

  auto const rows = rows_of(links);
  REQUIRE(rows.size() == 3);  // items 0 (its latest event), 3 and 2
  CHECK((rows[0].lower == 0 && rows[0].upper == 2));
  CHECK((rows[2].lower == 2 && rows[2].upper == 3));
}

TEST_CASE("times as far apart as they can be", "[graph][co_interaction]") {
  graph::ItemTypes const types{.names = {"a"}, .offsets = {0, 3}};
  constexpr auto lowest = std::numeric_limits<std::int64_t>::min();
  constexpr auto highest = std::numeric_limits<std::int64_t>::max();
  Log const log({{0, 0, lowest}, {0, 1, highest}, {0, 2, highest - 1}}, 1, 3);

  auto const links = graph::co_interaction_links({}, log.view(), types, {.window_seconds = 60});

  CHECK(links.lower.size() == 1);
}

TEST_CASE("one type, a type without events, and no weak event to keep", "[graph][co_interaction]") {
  graph::ItemTypes const types{.names = {"a", "unseen", "empty"}, .offsets = {0, 3, 9, 9}};
  Log const weak({{0, 0, 1, false}, {0, 1, 2, false}}, 1, 9);
  CoInteractionReport report;

  auto const none =
      graph::co_interaction_links({}, weak.view(), types, {.strong_only = true}, &report);
  auto const some = graph::co_interaction_links({}, weak.view(), types, {});
  auto const graph = graph::link_graph({}, types, some);

  CHECK(none.lower.empty());
  CHECK(report.users == 0);
  CHECK(some.lower.size() == 1);
  CHECK(graph.edge_count() == 2);
  CHECK(graph.node_count(graph.schema().node_type("empty")) == 0);
}

TEST_CASE("the link graph stores both directions with weights", "[graph][co_interaction]") {
  auto const events = random_events(1500, 60, 60);
  auto const links = graph::co_interaction_links({}, Log(events, 60, 60).view(), three_types, {});

  auto const graph = graph::link_graph({}, three_types, links);

  CHECK(graph.schema().relation_count() == 9);
  CHECK(graph.edge_count() == 2 * links.lower.size());
  std::map<std::pair<NodeId, NodeId>, float> edges;  // (source, destination), ids over all types
  for (std::int32_t t = 0; t < 3; ++t) {
    auto const& block = graph.block().destinations[static_cast<std::size_t>(t)];
    auto const weights = graph.weights(static_cast<NodeTypeId>(t));
    for (std::int64_t row = 0; row < block.csr.n_dst * block.csr.relations; ++row) {
      auto const& relation = block.relations[static_cast<std::size_t>(row % block.csr.relations)];
      for (EdgeOffset e = block.csr.row_offsets[row]; e < block.csr.row_offsets[row + 1]; ++e) {
        auto const source = three_types.offsets[static_cast<std::size_t>(index(relation.source))] +
                            block.csr.cols[e] - relation.message_base;
        auto const destination =
            three_types.offsets[static_cast<std::size_t>(t)] + row / block.csr.relations;
        edges[{static_cast<NodeId>(source), static_cast<NodeId>(destination)}] = weights[e];
      }
    }
  }
  for (Row const& row : rows_of(links)) {
    CHECK(edges.at({row.lower, row.upper}) == row.weight);
    CHECK(edges.at({row.upper, row.lower}) == row.weight);
  }
}

TEST_CASE("item types name, locate and count", "[graph][co_interaction]") {
  CHECK(three_types.type_of(0) == NodeTypeId{0});
  CHECK(three_types.type_of(20) == NodeTypeId{1});
  CHECK(three_types.type_of(59) == NodeTypeId{2});
  CHECK(three_types.local(22) == 2);
  CHECK(three_types.count(NodeTypeId{2}) == 37);
  graph::ItemTypes const gap{.names = {"a", "none", "c"}, .offsets = {0, 2, 2, 4}};
  CHECK(gap.type_of(2) == NodeTypeId{2});
  CHECK_THROWS_AS((graph::ItemTypes{.names = {"a"}, .offsets = {0}}.check()), ShapeError);
  CHECK_THROWS_AS((graph::ItemTypes{.names = {}, .offsets = {0}}.check()), ShapeError);
  CHECK_THROWS_AS((graph::ItemTypes{.names = {"a"}, .offsets = {1, 2}}.check()), ConfigError);
  CHECK_THROWS_AS((graph::ItemTypes{.names = {"a", "b"}, .offsets = {0, 2, 1}}.check()),
                  ConfigError);
}

TEST_CASE("what co_interaction_links refuses", "[graph][co_interaction]") {
  std::vector<Event> const events{{0, 0, 1}, {0, 1, 2}};
  auto const build = [&](Log const& log, CoInteractionConfig const& config) {
    graph::co_interaction_links({}, log.view(), three_types, config);
  };
  CHECK_THROWS_AS(build(Log({}, 1, 60), {}), ConfigError);
  CHECK_THROWS_AS(build(Log(events, -1, 60), {}), ConfigError);
  CHECK_THROWS_AS(build(Log(events, std::int64_t{1} << 31, 60), {}), ConfigError);
  CHECK_THROWS_AS(build(Log({{1, 0, 1}}, 1, 60), {}), IndexError);
  CHECK_THROWS_AS(build(Log({{0, 60, 1}}, 1, 60), {}), IndexError);
  CHECK_THROWS_AS(build(Log({{0, -1, 1}}, 1, 60), {}), IndexError);
  CHECK_THROWS_AS(build(Log(events, 1, 59), {}), ShapeError);
  CHECK_THROWS_AS(build(Log(events, 1, 60), {.max_history = 0}), ConfigError);
  CHECK_THROWS_AS(build(Log(events, 1, 60), {.window_seconds = -1}), ConfigError);
  CHECK_THROWS_AS(build(Log(events, 1, 60), {.min_count = 0}), ConfigError);
  CHECK_THROWS_AS(build(Log(events, 1, 60), {.top_neighbors = -1}), ConfigError);
  Log shorter(events, 1, 60);
  shorter.time.pop_back();
  CHECK_THROWS_WITH(build(shorter, {}), Catch::Contains("log.time") && Catch::Contains("1 elem"));
  ItemLinks foreign = graph::co_interaction_links({}, Log(events, 1, 60).view(), three_types, {});
  foreign.upper.view()[0] = 60;
  CHECK_THROWS_AS(graph::link_graph({}, three_types, foreign), IndexError);
}
