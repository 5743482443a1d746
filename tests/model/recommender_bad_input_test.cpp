#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/model/recommender.hpp>

#include "support/tiny_recommender.hpp"

using namespace relweave;
using namespace relweave::model;
using namespace relweave::test;
using Catch::Contains;

namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float nothing = -std::numeric_limits<float>::infinity();

RecommenderConfig quick_config() {
  RecommenderConfig config = small_config();
  config.hgnn.epochs = config.towers.epochs = 1;
  return config;
}

bool all_finite(MatrixView<float const> m) {
  bool finite = true;
  for (std::int64_t r = 0; r < m.rows; ++r) {
    finite = finite && std::all_of(m.row(r).begin(), m.row(r).end(),
                                   [](float x) { return std::isfinite(x); });
  }
  return finite;
}

template <typename T>
VectorView<T const> view_of(std::vector<T> const& v) {
  return {v.data(), std::ssize(v)};
}

/// What the model answers, to see whether a refused call changed it.
std::vector<float> answers(Recommender const& model) {
  Matrix<float> scores(3, model.items().size());
  NodeId const users[] = {0, 7, 11};
  model.score_users(HostContext{}, {users, 3}, scores.view());
  return {scores.data(), scores.data() + 3 * scores.cols()};
}

}  // namespace

TEST_CASE("fit names the part of the data that is wrong and leaves nothing fitted",
          "[model][recommender]") {
  TinyLog log(60, item_count, 6);
  auto const user_features = Matrix<float>::zeros(60, 2);
  auto bad_features = Matrix<float>::copy_of(log.features.view());
  auto bad_users = Matrix<float>::zeros(60, 2);
  bad_users.view()(5, 1) = -std::numeric_limits<float>::infinity();
  auto data = data_of(log);
  std::string message;

  SECTION("a column of another length") {
    data.log.time.size -= 1;
    message = "log.time: got 359 elements, expected 360";
  }
  SECTION("signals of another length") {
    data.log.strong.size -= 1;
    message = "log.strong: got 359";
  }
  SECTION("no event") {
    data.log.user.size = data.log.item.size = data.log.time.size = data.log.strong.size = 0;
    message = "at least one interaction";
  }
  SECTION("an item that the catalogue lacks") {
    log.item[3] = item_count;
    message = "log.item: got 60 at position 3";
  }
  SECTION("a negative item") {
    log.item[3] = -1;
    message = "log.item: got -1 at position 3";
  }
  SECTION("a user beyond the count") {
    log.user[4] = 60;
    message = "log.user: got 60 at position 4";
  }
  SECTION("a negative number of users") {
    data.log.user_count = -1;
    message = "60 user ids";
  }
  SECTION("another number of items") {
    data.log.item_count = item_count + 1;
    message = "log.item_count: got 61";
  }
  SECTION("offsets that descend") {
    data.types.offsets = {0, 45, 30, 60};
    message = "offsets";
  }
  SECTION("a type name too few") {
    data.types.names.pop_back();
    message = "ItemTypes";
  }
  SECTION("a feature row too few") {
    data.item_features.rows -= 1;
    message = "item_features: got shape (59, 8)";
  }
  SECTION("features without a column") {
    data.item_features.cols = 0;
    message = "item_features: got shape (60, 0)";
  }
  SECTION("a feature that is not a number") {
    bad_features.view()(9, 2) = not_a_number;
    data.item_features = bad_features.view();
    message = "item_features: got nan in row 9, column 2";
  }
  SECTION("user features of other users") {
    data.user_features = user_features.view().row_slice(0, 59);
    message = "user_features: got 59 rows";
  }
  SECTION("a user feature that is infinite") {
    data.user_features = bad_users.view();
    message = "user_features: got -inf in row 5, column 1";
  }
  SECTION("an id too few") {
    data.items = io::Vocabulary(names("i", item_count - 1));
    message = "59 item ids";
  }
  SECTION("only weak signals") {
    std::fill(log.strong.begin(), log.strong.end(), std::uint8_t{0});
    message = "at least one strong interaction";
  }

  Recommender model(quick_config());
  CHECK_THROWS_AS(model.fit(HostContext{}, data), Error);
  CHECK_THROWS_WITH(model.fit(HostContext{}, std::move(data)),
                    Contains(message) && Contains("expected"));
  CHECK_FALSE(model.fitted());
  CHECK_THROWS_WITH(model.recommend(HostContext{}, {}, 3), Contains("Call fit first"));
}

TEST_CASE("fit refuses settings out of range", "[model][recommender]") {
  TinyLog const log(60, item_count, 6);
  auto const refuse = [&](auto const& change, std::string const& message) {
    RecommenderConfig config = quick_config();
    change(config);
    Recommender model(config);
    CHECK_THROWS_WITH(model.fit(HostContext{}, data_of(log)), Contains(message));
    CHECK_FALSE(model.fitted());
  };

  refuse([](auto& c) { c.graph.min_count = -1; }, "min_count: got -1");
  refuse([](auto& c) { c.graph.max_history = -1; }, "max_history: got -1");
  refuse([](auto& c) { c.hgnn.layers = {}; }, "layers: got no layer");
  refuse([](auto& c) { c.hgnn.layers = {-4}; }, "layers: got -4");
  refuse([](auto& c) { c.hgnn.fanout = -1; }, "fanout: got -1");
  refuse([](auto& c) { c.hgnn.negatives = -1; }, "negatives: got -1");
  refuse([](auto& c) { c.hgnn.epochs = -1; }, "epochs: got -1");
  refuse([](auto& c) { c.hgnn.node_drop = 1; }, "node_drop: got 1");
  refuse([](auto& c) { c.towers.batch = 0; }, "batch: got 0");
  refuse([](auto& c) { c.towers.layers = {std::int64_t{1} << 40}; }, "layers: got 1099511627776");
  refuse([](auto& c) { c.towers.temperature = std::nan(""); }, "temperature: got nan");
  refuse([](auto& c) { c.towers.max_history = 0; }, "max_history: got 0");
}

TEST_CASE("events in any order, in the future and before 1970 train the same model",
          "[model][recommender]") {
  TinyLog const log(60, item_count, 6);
  TinyLog turned(60, item_count, 6);
  std::reverse(turned.user.begin(), turned.user.end());
  std::reverse(turned.item.begin(), turned.item.end());
  std::reverse(turned.time.begin(), turned.time.end());
  std::reverse(turned.strong.begin(), turned.strong.end());
  TinyLog moved(60, item_count, 6);
  std::int64_t const shift = GENERATE(std::int64_t{1} << 60, -(std::int64_t{1} << 60));
  for (std::int64_t& time : moved.time) {
    time += shift;
  }

  auto const expected = answers(trained(log, 2, quick_config()));

  CHECK(answers(trained(turned, 2, quick_config())) == expected);
  CHECK(answers(trained(moved, 2, quick_config())) == expected);
}

TEST_CASE("types of one item, without items or without events train and answer",
          "[model][recommender]") {
  TinyLog log(60, item_count, 6);
  log.types.names = {"one", "none", "unseen", "many"};
  log.types.offsets = {0, 1, 1, 2, item_count};
  std::replace(log.item.begin(), log.item.end(), NodeId{1}, NodeId{5});
  auto const model = trained(log, 2, quick_config());
  auto const best_of = [&](NodeTypeId type) {
    return ask(model, {7}, {.k = 2, .exclude_seen = false, .types = {&type, 1}});
  };

  auto const one = best_of(NodeTypeId{0});
  auto const none = best_of(NodeTypeId{1});
  auto const unseen = best_of(NodeTypeId{2});

  CHECK(one.items.view()(0, 0) == 0);
  CHECK(one.items.view()(0, 1) == -1);
  CHECK(none.items.view()(0, 0) == -1);
  CHECK(none.scores.view()(0, 0) == nothing);
  CHECK(unseen.items.view()(0, 0) == 1);
  CHECK(std::isfinite(unseen.scores.view()(0, 0)));
  CHECK(all_finite(model.tower_vectors()));
}

TEST_CASE("users without history, all items seen, and a k beyond the catalogue",
          "[model][recommender]") {
  TinyLog log(60, item_count, 6);
  log.users = 62;  // the last two touched nothing
  auto const model = trained(log, 2, quick_config());
  std::vector<NodeId> everything(item_count);
  for (NodeId i = 0; i < item_count; ++i) {
    everything[static_cast<std::size_t>(i)] = i;
  }

  auto const cold = ask(model, {60, 61}, {.k = item_count + 5});
  auto const fresh = model.recommend(HostContext{}, {}, item_count + 5);
  auto const full = model.recommend(HostContext{}, everything, 3);

  REQUIRE(fresh.size() == item_count);
  for (std::int64_t p = 0; p < item_count; ++p) {
    CHECK(cold.items.view()(0, p) == fresh[static_cast<std::size_t>(p)].item);
    CHECK(cold.scores.view()(1, p) == fresh[static_cast<std::size_t>(p)].score);
    CHECK(std::isfinite(fresh[static_cast<std::size_t>(p)].score));
  }
  CHECK(cold.items.view()(1, item_count) == -1);
  CHECK(cold.scores.view()(1, item_count + 4) == nothing);
  CHECK(full.empty());
}

TEST_CASE("requests that make no sense are refused", "[model][recommender]") {
  TinyLog const log(60, item_count, 6);
  auto const model = trained(log, 2, quick_config());
  Answer out(1, 3);
  Matrix<float> scores(1, item_count);
  std::vector<NodeId> const user{0}, outside{item_count}, negative{-1};
  std::vector<std::int64_t> const offsets{0, 1}, descending{0, 1, 0}, late{1, 1};
  NodeTypeId const no_type[] = {NodeTypeId{3}};
  auto const recommend = [&](Histories const& histories, RecommendOptions const& options,
                             MatrixView<float const> features = {}) {
    model.recommend(HostContext{}, histories, features, options, out.items.view(),
                    out.scores.view());
  };
  Histories const good{.offsets = view_of(offsets), .items = view_of(user), .strong = {}};
  auto const features = Matrix<float>::zeros(1, 2);

  CHECK_NOTHROW(recommend(good, {.k = 3}));
  CHECK_THROWS_AS(recommend(good, {.k = 4}), ShapeError);
  CHECK_THROWS_AS(recommend(good, {.k = 3, .allowed = outside}), IndexError);
  CHECK_THROWS_AS(recommend(good, {.k = 3, .types = no_type}), IndexError);
  CHECK_THROWS_AS(recommend(good, {.k = 3}, features.view()), ShapeError);
  CHECK_THROWS_AS(recommend({.offsets = {}, .items = {}, .strong = {}}, {.k = 3}), ShapeError);
  CHECK_THROWS_AS(
      recommend({.offsets = view_of(late), .items = view_of(user), .strong = {}}, {.k = 3}),
      ShapeError);
  CHECK_THROWS_AS(recommend({.offsets = view_of(descending), .items = {}, .strong = {}}, {.k = 3}),
                  ShapeError);
  CHECK_THROWS_AS(
      recommend({.offsets = view_of(offsets), .items = view_of(outside), .strong = {}}, {.k = 3}),
      IndexError);
  CHECK_THROWS_AS(model.recommend(HostContext{}, negative, 3), IndexError);
  CHECK_THROWS_AS(model.recommend(HostContext{}, user, 0), ConfigError);
  CHECK_THROWS_AS(model.recommend(HostContext{}, user, -3), ConfigError);
  CHECK_THROWS_AS(ask(model, {60}, {.k = 3}), IndexError);
  CHECK_THROWS_AS(ask(model, {-1}, {.k = 3}), IndexError);
  CHECK_THROWS_AS(model.score_users(HostContext{}, view_of(negative), scores.view()), IndexError);
  CHECK_THROWS_AS(
      model.score_users(HostContext{}, view_of(user), scores.view().col_slice(0, item_count - 1)),
      ShapeError);
  auto const score = [&](Histories const& histories, MatrixView<float const> user_features,
                         MatrixView<float> to) {
    model.score(HostContext{}, histories, user_features, to);
  };
  CHECK_NOTHROW(score(good, {}, scores.view()));
  CHECK_THROWS_AS(score(good, {}, scores.view().col_slice(0, item_count - 1)), ShapeError);
  CHECK_THROWS_AS(score(good, features.view(), scores.view()), ShapeError);
  CHECK_THROWS_AS(score({.offsets = view_of(offsets), .items = view_of(outside), .strong = {}}, {},
                        scores.view()),
                  IndexError);
  CHECK_THROWS_AS(
      model.similar_items(HostContext{}, view_of(outside), 3, out.items.view(), out.scores.view()),
      IndexError);
  CHECK_THROWS_AS(
      model.similar_items(HostContext{}, view_of(user), 0, out.items.view(), out.scores.view()),
      ConfigError);
}

TEST_CASE("refused new items leave the model as it was", "[model][recommender]") {
  TinyLog const log(60, item_count, 6);
  auto model = trained(log, 2, quick_config());
  auto const before = answers(model);
  std::vector<NodeTypeId> const type{NodeTypeId{0}}, no_type{NodeTypeId{3}};
  auto const features = Matrix<float>::zeros(1, 8);
  auto const narrow = Matrix<float>::zeros(1, 7);
  auto broken = Matrix<float>::zeros(1, 8);
  broken.view()(0, 3) = not_a_number;
  std::vector<NodeId> const first{0}, outside{item_count}, second{1};
  auto const add = [&](std::vector<NodeTypeId> const& types, Matrix<float> const& x,
                       NewItemLinks const& links, io::Vocabulary const& ids) {
    model.add_items(HostContext{}, view_of(types), x.view(), links, ids);
  };
  io::Vocabulary const id(std::vector<std::string>{"new"});

  CHECK_THROWS_AS(add(no_type, features, {}, id), IndexError);
  CHECK_THROWS_AS(add(type, narrow, {}, id), ShapeError);
  CHECK_THROWS_WITH(add(type, broken, {}, id), Contains("nan in row 0, column 3"));
  CHECK_THROWS_AS(add(type, features, {.new_item = view_of(first), .item = {}}, id), ShapeError);
  CHECK_THROWS_AS(add(type, features, {.new_item = view_of(first), .item = view_of(outside)}, id),
                  IndexError);
  CHECK_THROWS_AS(add(type, features, {.new_item = view_of(second), .item = view_of(first)}, id),
                  IndexError);
  CHECK_THROWS_AS(add(type, features, {}, io::Vocabulary(names("n", 2))), ShapeError);
  CHECK_THROWS_WITH(add(type, features, {}, io::Vocabulary(names("i", 1))), Contains("'i0' twice"));
  CHECK_THROWS_AS(add(type, features, {}, io::Vocabulary(io::Vocabulary::Integers{1})),
                  ConfigError);

  CHECK(model.items().size() == item_count);
  CHECK(answers(model) == before);
}

TEST_CASE("refused refits leave the model as it was", "[model][recommender]") {
  TinyLog const log(60, item_count, 6);
  auto model = trained(log, 2, quick_config());
  auto const before = answers(model);
  TinyLog wrong(60, item_count, 6);
  wrong.item[5] = item_count;
  TinyLog weak(60, item_count, 6);
  std::fill(weak.strong.begin(), weak.strong.end(), std::uint8_t{0});
  graph::InteractionLogView const none{.user_count = 60, .item_count = item_count};
  auto const refit = [&](graph::InteractionLogView const& events, std::int64_t users) {
    model.refit_towers(HostContext{}, events, io::Vocabulary(names("u", users)), {});
  };

  CHECK_THROWS_AS(refit(wrong.view(), 60), IndexError);
  CHECK_THROWS_AS(refit(weak.view(), 60), ConfigError);
  CHECK_THROWS_AS(refit(none, 60), ConfigError);
  CHECK_THROWS_WITH(refit(log.view(), 59), Contains("59 user ids, expected 60"));
  CHECK_THROWS_AS(model.refit_graph(HostContext{}, wrong.view()), IndexError);
  CHECK_THROWS_AS(model.refit_graph(HostContext{}, none), ConfigError);

  CHECK(answers(model) == before);
  CHECK(model.users().size() == 60);
}

TEST_CASE("a fit that is stopped in the HGNN has item vectors and says what it lacks",
          "[model][recommender]") {
  TinyLog const log(60, item_count, 6);
  TemporaryDirectory const directory;
  Recommender model(quick_config());

  model.fit(HostContext{}, data_of(log), [](Progress const& p) { return p.stage == "graph"; });

  CHECK(model.hgnn_history().interrupted);
  CHECK(all_finite(model.general_vectors()));
  CHECK_THROWS_WITH(model.recommend(HostContext{}, {}, 3), Contains("without trained towers"));
  CHECK_THROWS_WITH(model.save(directory.path / "model"), Contains("without trained towers"));
  CHECK(std::filesystem::is_empty(directory.path));
}

TEST_CASE("a stop before there is a graph leaves the model as it was", "[model][recommender]") {
  TinyLog const log(60, item_count, 6);
  TinyLog const later(60, item_count, 9);
  auto model = trained(log, 2, quick_config());
  auto const before = answers(model);
  auto const stop = [](Progress const&) { return false; };

  CHECK_THROWS_AS(model.fit(HostContext{}, data_of(log), stop), StoppedError);
  CHECK_THROWS_AS(model.refit_graph(HostContext{}, later.view(), stop), StoppedError);

  CHECK(answers(model) == before);
}

TEST_CASE("an exception out of the callback leaves the model as it was", "[model][recommender]") {
  TinyLog const log(60, item_count, 6);
  auto model = trained(log, 2, quick_config());
  auto const before = answers(model);
  auto const fail = [](Progress const&) -> bool { throw std::runtime_error("mine"); };

  CHECK_THROWS_WITH(model.fit(HostContext{}, data_of(log), fail), "mine");
  CHECK_THROWS_WITH(
      model.refit_towers(HostContext{}, log.view(), io::Vocabulary(names("u", 60)), {}, fail),
      "mine");

  CHECK(answers(model) == before);
}
