#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>

#include <relweave/core/error.hpp>
#include <relweave/model/two_tower.hpp>

#include "support/gradient_check.hpp"
#include "support/tiny_log.hpp"

using namespace relweave;
using namespace relweave::model;

namespace {

TwoTowerConfig small(TowerLoss loss = TowerLoss::sampled_softmax) {
  return {.layers = {32, 16},
          .epochs = 10,
          .batch = 64,
          .learning_rate = 1e-2,
          .loss = loss,
          .seed = 5};
}

std::vector<NodeTypeId> types_of(graph::ItemTypes const& types) {
  std::vector<NodeTypeId> result;
  for (std::int64_t i = 0; i < types.offsets.back(); ++i) {
    result.push_back(types.type_of(static_cast<NodeId>(i)));
  }
  return result;
}

struct Trained {
  TwoTower towers;
  TrainingHistory history;
  Matrix<float> items;

  Trained(HostContext const& ctx, test::TinyLog const& log, TwoTowerConfig const& config)
      : Trained(ctx, log, config,
                {.features = log.features.view(),
                 .vectors = log.features.view(),
                 .cold_vectors = log.features.view()}) {}
  Trained(HostContext const& ctx, test::TinyLog const& log, TwoTowerConfig const& config,
          ItemInputs const& inputs)
      : towers(config), items(log.types.offsets.back(), config.layers.back()) {
    history = towers.fit(ctx, log.view(), log.types, inputs, {});
    embed_items(ctx, log, inputs);
  }

  void embed_items(HostContext const& ctx, test::TinyLog const& log, ItemInputs const& inputs) {
    auto const types = types_of(log.types);
    towers.item_vectors(ctx, {types.data(), std::ssize(types)}, inputs, items.view());
  }

  Matrix<float> user(test::TinyLog const& log, std::vector<NodeId> const& history_items) const {
    std::int64_t const offsets[] = {0, std::ssize(history_items)};
    Matrix<float> out(1, towers.out_features());
    towers.user_vectors(HostContext{},
                        {.offsets = {offsets, 2},
                         .items = {history_items.data(), std::ssize(history_items)},
                         .strong = {}},
                        log.types, log.features.view(), {}, out.view());
    return out;
  }
};

double mean_score(Trained const& model, Matrix<float> const& user, std::int64_t taste) {
  double total = 0;
  std::int64_t n = 0;
  for (std::int64_t i = taste; i < model.items.rows(); i += test::TinyLog::tastes, ++n) {
    for (std::int64_t c = 0; c < model.items.cols(); ++c) {
      total +=
          static_cast<double>(user.view()(0, c)) * static_cast<double>(model.items.view()(i, c));
    }
  }
  return total / static_cast<double>(n);
}

}  // namespace

TEST_CASE("two towers rank the items of a user's taste first, with every loss",
          "[model][two_tower]") {
  test::TinyLog const log(300, 60, 12);
  auto const loss = GENERATE(TowerLoss::sampled_softmax, TowerLoss::dot_product, TowerLoss::bpr);

  Trained const model(HostContext{}, log, small(loss));

  CHECK(model.history.epochs.size() == 10);
  CHECK(model.history.epochs.back().loss < model.history.epochs.front().loss);
  for (NodeId const taste : {0, 1, 2, 3}) {
    auto const user = model.user(log, {taste, static_cast<NodeId>(taste + 8)});
    for (NodeId const other : {0, 1, 2, 3}) {
      if (other != taste) {
        CHECK(mean_score(model, user, taste) > mean_score(model, user, other));
      }
    }
  }
}

TEST_CASE("eq. 5 stays finite over many epochs because outputs have unit norm",
          "[model][two_tower]") {
  test::TinyLog const log(200, 40, 10);
  auto config = small(TowerLoss::dot_product);
  config.epochs = 30;
  config.learning_rate = 1e-2;

  Trained const model(HostContext{}, log, config);

  for (EpochRecord const& epoch : model.history.epochs) {
    CHECK(std::isfinite(epoch.loss));
    CHECK(epoch.loss >= -2.0);  // the difference of two cosines
  }
  CHECK(std::all_of(model.items.data(), model.items.data() + 40 * 16,
                    [](float x) { return std::isfinite(x); }));
}

TEST_CASE("a seed gives the same tower bits with 1, 2 and 3 threads", "[model][two_tower]") {
  test::TinyLog const log(300, 60, 12);

  Trained const one(HostContext{.threads = 1}, log, small());
  Trained const two(HostContext{.threads = 2}, log, small());
  Trained const three(HostContext{.threads = 3}, log, small());

  CHECK(std::equal(one.items.data(), one.items.data() + 60 * 16, two.items.data()));
  CHECK(std::equal(one.items.data(), one.items.data() + 60 * 16, three.items.data()));
}

TEST_CASE("a cold user and weak signals change the user vector", "[model][two_tower]") {
  test::TinyLog const log(300, 60, 12);
  Trained const model(HostContext{}, log, small());
  std::int64_t const offsets[] = {0, 0, 3, 6};
  NodeId const items[] = {0, 4, 1, 0, 4, 1};
  std::uint8_t const strong[] = {1, 1, 1, 1, 1, 0};
  Matrix<float> out(3, 16);

  model.towers.user_vectors(HostContext{},
                            {.offsets = {offsets, 4}, .items = {items, 6}, .strong = {strong, 6}},
                            log.types, log.features.view(), {}, out.view());

  CHECK(std::isfinite(out.view()(0, 0)));
  CHECK_FALSE(
      std::equal(out.view().row_data(0), out.view().row_data(0) + 16, out.view().row_data(1)));
  CHECK_FALSE(
      std::equal(out.view().row_data(1), out.view().row_data(1) + 16, out.view().row_data(2)));
}

TEST_CASE("items shown as cold with the vectors they have change nothing", "[model][two_tower]") {
  test::TinyLog const log(100, 60, 10);
  auto config = small();
  Trained const plain(HostContext{}, log, config);

  config.cold_items = 0.5;
  Trained const shown(HostContext{}, log, config);

  CHECK(test::same_bits(plain.items, shown.items));
}

TEST_CASE("items shown as cold teach the towers to rank items without links",
          "[model][two_tower]") {
  test::TinyLog const log(300, 60, 12);
  auto const without_links = Matrix<float>::zeros(60, log.features.cols());
  ItemInputs const inputs{.features = log.features.view(),
                          .vectors = log.features.view(),
                          .cold_vectors = without_links.view()};
  ItemInputs const cold{.features = log.features.view(), .vectors = without_links.view()};
  auto const margin = [&](double share) {
    auto config = small();
    config.cold_items = share;
    Trained model(HostContext{}, log, config, inputs);
    model.embed_items(HostContext{}, log, cold);
    double total = 0;
    for (NodeId const taste : {0, 1, 2, 3}) {
      auto const user = model.user(log, {taste, static_cast<NodeId>(taste + 8)});
      total += mean_score(model, user, taste) - mean_score(model, user, (taste + 1) % 4);
    }
    return total / 4;
  };

  CHECK(margin(0.3) > 1.1 * margin(0));
}

TEST_CASE("the trend prior lifts recently popular items", "[model][two_tower]") {
  test::TinyLog log(300, 60, 12);
  for (std::size_t e = 0; e < log.item.size(); ++e) {
    log.strong[e] = 1;
    if (log.time[e] == 1'600'000'000 + 11 * 3600) {
      log.item[e] = 7;  // everybody takes item 7 last
    }
  }
  auto config = small();
  config.trend_seconds = 1800;

  Trained const model(HostContext{}, log, config);

  auto const bias = model.towers.item_bias();
  CHECK(std::max_element(bias.begin(), bias.end()) - bias.begin() == 7);
}

TEST_CASE("the two towers refuse bad input", "[model][two_tower]") {
  test::TinyLog log(20, 40, 5);
  TwoTower towers(small());
  ItemInputs const inputs{.features = log.features.view(), .vectors = log.features.view()};
  Matrix<float> const wrong(39, 8);

  CHECK_THROWS_AS(towers.fit(HostContext{}, log.view(), log.types,
                             {.features = wrong.view(), .vectors = wrong.view()}, {}),
                  ShapeError);
  CHECK_THROWS_AS(towers.fit(HostContext{}, log.view(), log.types, inputs, wrong.view()),
                  ShapeError);
  auto with_cold = small();
  with_cold.cold_items = 0.1;
  CHECK_THROWS_WITH(
      TwoTower(with_cold).fit(HostContext{}, log.view(), log.types, inputs, {}),
      Catch::Contains("items.cold_vectors: got shape (0, 0), expected shape (40, 8)"));
  with_cold.cold_items = 1;
  CHECK_THROWS_WITH(TwoTower(with_cold).initialize({.types = 1}, 1),
                    Catch::Contains("cold_items: got 1, expected a share in [0, 1)"));
  std::swap(log.user.front(), log.user.back());
  CHECK_THROWS_AS(towers.fit(HostContext{}, log.view(), log.types, inputs, {}), GraphError);
  std::swap(log.user.front(), log.user.back());
  std::fill(log.strong.begin(), log.strong.end(), std::uint8_t{0});
  CHECK_THROWS_AS(towers.fit(HostContext{}, log.view(), log.types, inputs, {}), ConfigError);
  CHECK_THROWS_AS(TwoTower({.temperature = 0}).initialize({.types = 1}, 1), ConfigError);
  CHECK_THROWS_AS(TwoTower({.layers = {}}).initialize({.types = 1}, 1), ConfigError);
}

TEST_CASE("the two towers refuse histories and inputs of other shapes", "[model][two_tower]") {
  test::TinyLog const log(20, 40, 5);
  auto config = small();
  config.epochs = 1;
  Trained const model(HostContext{}, log, config);
  std::vector<std::int64_t> const offsets{0, 1}, falling{0, 1, 0};
  std::vector<NodeId> const item{3}, outside{40}, none{};
  std::vector<NodeTypeId> const type{NodeTypeId{0}}, no_type{NodeTypeId{3}};
  Matrix<float> out(1, 16);
  auto const features = Matrix<float>::zeros(1, 8);
  auto const users = [&](std::vector<std::int64_t> const& ends, std::vector<NodeId> const& items,
                         MatrixView<float const> vectors, MatrixView<float const> more = {}) {
    model.towers.user_vectors(HostContext{},
                              {.offsets = {ends.data(), std::ssize(ends)},
                               .items = {items.data(), std::ssize(items)},
                               .strong = {}},
                              log.types, vectors, more, out.view());
  };
  auto const items = [&](std::vector<NodeTypeId> const& types, MatrixView<float const> x) {
    model.towers.item_vectors(HostContext{}, {types.data(), 1}, {.features = x, .vectors = x},
                              out.view());
  };

  CHECK_NOTHROW(users(offsets, item, log.features.view()));
  CHECK_NOTHROW(items(type, features.view()));
  CHECK_THROWS_AS(users(offsets, outside, log.features.view()), IndexError);
  CHECK_THROWS_AS(users(offsets, none, log.features.view()), ShapeError);
  CHECK_THROWS_AS(users(falling, none, log.features.view()), ShapeError);
  CHECK_THROWS_AS(users(offsets, item, log.features.view().row_slice(0, 39)), ShapeError);
  CHECK_THROWS_AS(users(offsets, item, log.features.view(), features.view()), ShapeError);
  CHECK_THROWS_AS(items(no_type, features.view()), IndexError);
  CHECK_THROWS_AS(items(type, features.view().col_slice(0, 7)), ShapeError);
  CHECK_THROWS_WITH(TwoTower(config).user_vectors(HostContext{}, {}, log.types, {}, {}, out.view()),
                    Catch::Contains("Call fit first"));
}
