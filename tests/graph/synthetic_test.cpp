#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/graph/report.hpp>
#include <relweave/graph/synthetic.hpp>
#include <relweave/graph/transform.hpp>

using namespace relweave;
using graph::SyntheticGraphConfig;
using graph::SyntheticLogConfig;

namespace {

graph::Schema const schema({"a", "b"}, {{NodeTypeId{0}, "x", NodeTypeId{1}},
                                        {NodeTypeId{1}, "y", NodeTypeId{1}}});

bool same(auto const& a, auto const& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

double cosine(MatrixView<float const> x, std::int64_t i, std::int64_t j) {
  return std::inner_product(x.row(i).begin(), x.row(i).end(), x.row(j).begin(), 0.0);
}

}  // namespace

TEST_CASE("uniform and power-law graphs have the degrees asked for", "[graph][synthetic]") {
  SyntheticGraphConfig config{.node_counts = {100, 50}, .edge_counts = {20'000, 3000}};

  auto const uniform = graph::report({}, graph::synthetic_graph({}, schema, config));
  config.source_exponent = 1;
  config.weights = true;
  auto const skewed = graph::report({}, graph::synthetic_graph({}, schema, config));

  CHECK(uniform.relations[0].edges == 20'000);
  CHECK(uniform.relations[1].edges == 3000);
  CHECK_FALSE(uniform.relations[0].weighted);
  CHECK(uniform.relations[0].out.max < 300);  // mean 200, sigma 14
  double const harmonic = 5.187;              // sum of 1/k, k to 100
  CHECK(static_cast<double>(skewed.relations[0].out.max) ==
        Approx(20'000 / harmonic).margin(5 * std::sqrt(20'000 / harmonic)));
  CHECK(skewed.relations[0].in.max < 550);  // destinations stay uniform: mean 400, sigma 20
  CHECK(skewed.relations[0].weighted);
}

TEST_CASE("synthetic graphs depend on the seed, not on threads", "[graph][synthetic]") {
  SyntheticGraphConfig config{.node_counts = {100, 50},
                              .edge_counts = {9000, 9000},
                              .source_exponent = 0.8,
                              .destination_exponent = 0.5,
                              .weights = true};

  auto const one = graph::synthetic_graph({.threads = 1}, schema, config);
  auto const three = graph::synthetic_graph({.threads = 3}, schema, config);
  config.seed = 1;
  auto const other = graph::synthetic_graph({.threads = 1}, schema, config);

  CHECK(same(one.csr(NodeTypeId{1}).cols, three.csr(NodeTypeId{1}).cols));
  CHECK(same(one.weights(NodeTypeId{1}), three.weights(NodeTypeId{1})));
  CHECK_FALSE(same(one.csr(NodeTypeId{1}).cols, other.csr(NodeTypeId{1}).cols));
}

TEST_CASE("what synthetic_graph refuses", "[graph][synthetic]") {
  auto const make = [](SyntheticGraphConfig const& config) {
    graph::synthetic_graph({}, schema, config);
  };
  CHECK_THROWS_AS(make({.node_counts = {1}, .edge_counts = {1, 1}}), ShapeError);
  CHECK_THROWS_AS(make({.node_counts = {1, 1}, .edge_counts = {1}}), ShapeError);
  CHECK_THROWS_AS(make({.node_counts = {0, 1}, .edge_counts = {1, 1}}), ConfigError);
  CHECK_THROWS_AS(make({.node_counts = {1, 1}, .edge_counts = {-1, 1}}), ConfigError);
  CHECK_THROWS_AS(make({.node_counts = {1, 1}, .edge_counts = {1, 1}, .source_exponent = -0.5}),
                  ConfigError);
  CHECK_NOTHROW(make({.node_counts = {0, 1}, .edge_counts = {0, 1}}));
}

TEST_CASE("the synthetic log has the shape it is asked for", "[graph][synthetic]") {
  SyntheticLogConfig const config{.users = 3000, .mean_events = 12};

  auto const log = graph::synthetic_log({}, config);

  auto const view = log.view();
  CHECK(view.item_count == 500);
  CHECK(static_cast<double>(view.user.size) / 3000 == Approx(12).margin(1.2));
  CHECK(std::is_sorted(view.user.begin(), view.user.end()));
  std::vector<int> events(3000, 0);
  for (std::int64_t e = 0; e < view.user.size; ++e) {
    ++events[static_cast<std::size_t>(view.user[e])];
    REQUIRE((view.item[e] >= 0 && view.item[e] < 500));
    REQUIRE((view.time[e] >= config.first_time &&
             view.time[e] < config.first_time + config.duration_seconds));
    if (e > 0 && view.user[e] == view.user[e - 1]) {
      REQUIRE(view.time[e] >= view.time[e - 1]);
    }
  }
  CHECK(*std::min_element(events.begin(), events.end()) == 1);
  CHECK(*std::max_element(events.begin(), events.end()) > 50);
  auto const strong = std::count(view.strong.begin(), view.strong.end(), 1);
  CHECK(static_cast<double>(strong) / static_cast<double>(view.user.size) ==
        Approx(0.8).margin(0.02));
}

TEST_CASE("users, links and features of the synthetic log agree on tastes", "[graph][synthetic]") {
  auto const log = graph::synthetic_log({}, {.users = 3000});

  auto const links = graph::co_interaction_links({}, log.view(), log.types, {.top_neighbors = 5});

  std::int64_t alike = 0;
  double link_cosine = 0;
  double pair_cosine = 0;
  std::int64_t const n = links.lower.size();
  for (std::int64_t k = 0; k < n; ++k) {
    NodeId const a = links.lower.view()[k];
    NodeId const b = links.upper.view()[k];
    alike += log.taste_of[static_cast<std::size_t>(a)] == log.taste_of[static_cast<std::size_t>(b)];
    link_cosine += cosine(log.features.view(), a, b) / static_cast<double>(n);
    pair_cosine += cosine(log.features.view(), a, (b + 7 * k) % 500) / static_cast<double>(n);
  }
  CHECK(static_cast<double>(alike) / static_cast<double>(n) > 0.4);  // one in eight by chance
  CHECK(link_cosine > pair_cosine + 0.1);
  for (std::int64_t i = 0; i < log.features.rows(); ++i) {
    REQUIRE(cosine(log.features.view(), i, i) == Approx(1).epsilon(1e-5));
  }
}

TEST_CASE("synthetic logs depend on the seed, not on threads", "[graph][synthetic]") {
  SyntheticLogConfig config{.users = 300};

  auto const one = graph::synthetic_log({.threads = 1}, config);
  auto const three = graph::synthetic_log({.threads = 3}, config);
  config.seed = 1;
  auto const other = graph::synthetic_log({.threads = 1}, config);

  CHECK(same(one.item.view(), three.item.view()));
  CHECK(same(one.time.view(), three.time.view()));
  CHECK(std::equal(one.features.data(), one.features.data() + 500 * 32, three.features.data()));
  CHECK_FALSE(same(one.item.view(), other.item.view()));
}

TEST_CASE("extreme settings end: a taste for each item, and no other", "[graph][synthetic]") {
  auto const log = graph::synthetic_log({}, {.users = 50,
                                             .type_names = {"none", "one", "few"},
                                             .items_per_type = {0, 1, 4},
                                             .tastes = 1000,
                                             .mean_events = 1,
                                             .taste_strength = 1});

  CHECK(log.user.size() == 50);
  auto const make = [](SyntheticLogConfig const& config) { graph::synthetic_log({}, config); };
  CHECK_THROWS_AS(make({.type_names = {"a"}}), ShapeError);
  CHECK_THROWS_AS(make({.users = 0}), ConfigError);
  CHECK_THROWS_AS(make({.tastes = 0}), ConfigError);
  CHECK_THROWS_AS(make({.type_names = {"a"}, .items_per_type = {0}}), ConfigError);
  CHECK_THROWS_AS(make({.mean_events = 0.5}), ConfigError);
  CHECK_THROWS_AS(make({.taste_strength = 1.5}), ConfigError);
}
