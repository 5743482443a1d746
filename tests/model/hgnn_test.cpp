#include <catch2/catch.hpp>

#include <cmath>
#include <limits>

#include <relweave/core/error.hpp>
#include <relweave/model/hgnn.hpp>

#include "support/tiny_log.hpp"

using namespace relweave;
using namespace relweave::model;

namespace {

struct Fixture {
  test::TinyLog log{200, 60, 12};
  graph::ItemLinks links =
      graph::co_interaction_links(HostContext{}, log.view(), log.types, {.top_neighbors = 3});

  HgnnConfig config() const {
    return {.layers = {16, 16},
            .fanout = 5,
            .epochs = 20,
            .batch = 64,
            .learning_rate = 5e-3,
            .seed = 3};
  }
};

double taste_margin(MatrixView<float const> z) {
  double same = 0;
  double other = 0;
  std::int64_t n_same = 0;
  std::int64_t n_other = 0;
  for (std::int64_t i = 0; i < z.rows; ++i) {
    for (std::int64_t j = 0; j < i; ++j) {
      double dot = 0;
      for (std::int64_t f = 0; f < z.cols; ++f) {
        dot += static_cast<double>(z(i, f)) * static_cast<double>(z(j, f));
      }
      bool const alike = test::TinyLog::taste_of_item(i) == test::TinyLog::taste_of_item(j);
      (alike ? same : other) += dot;
      ++(alike ? n_same : n_other);
    }
  }
  return same / static_cast<double>(n_same) - other / static_cast<double>(n_other);
}

Matrix<float> trained_vectors(HostContext const& ctx, Fixture const& f, HgnnConfig const& config) {
  Hgnn hgnn(config);
  hgnn.fit(ctx, f.log.types, f.links, f.log.features.view());
  Matrix<float> z(60, 16);
  hgnn.embed(ctx, f.log.types, f.links, f.log.features.view(), z.view());
  return z;
}

}  // namespace

TEST_CASE("the HGNN brings items of one taste together", "[model][hgnn]") {
  Fixture const f;
  HgnnConfig config = f.config();
  config.loss = GENERATE(LinkLoss::margin, LinkLoss::sampled_softmax);
  Hgnn hgnn(config);

  TrainingHistory const history =
      hgnn.fit(HostContext{}, f.log.types, f.links, f.log.features.view());
  Matrix<float> z(60, 16);
  hgnn.embed(HostContext{}, f.log.types, f.links, f.log.features.view(), z.view());

  CHECK(history.epochs.size() <= 20);
  CHECK(history.epochs.back().loss < history.epochs.front().loss);
  CHECK(history.epochs.back().validation > 0.7);
  CHECK(taste_margin(z.view()) > 0.3);
  for (std::int64_t i = 0; i < z.rows(); ++i) {
    double norm = 0;
    for (float const x : z.view().row(i)) {
      norm += static_cast<double>(x) * static_cast<double>(x);
    }
    CHECK(norm == Approx(1).epsilon(1e-5));
  }
}

TEST_CASE("a seed gives the same HGNN bits with 1, 2 and 3 threads", "[model][hgnn]") {
  Fixture const f;

  auto const one = trained_vectors(HostContext{.threads = 1}, f, f.config());
  auto const two = trained_vectors(HostContext{.threads = 2}, f, f.config());
  auto const three = trained_vectors(HostContext{.threads = 3}, f, f.config());

  CHECK(std::equal(one.data(), one.data() + 60 * 16, two.data()));
  CHECK(std::equal(one.data(), one.data() + 60 * 16, three.data()));
}

TEST_CASE("a new item is embedded near its taste from its features alone", "[model][hgnn]") {
  Fixture const f;
  Hgnn hgnn(f.config());
  hgnn.fit(HostContext{}, f.log.types, f.links, f.log.features.view());
  Matrix<float> known(60, 16);
  hgnn.embed(HostContext{}, f.log.types, f.links, f.log.features.view(), known.view());
  auto const features = Matrix<float>::from_rows({{0, 1, 0, 0, 0, 0, 0, 0}});
  NodeTypeId const type{0};
  NodeId const fresh[] = {0, 0};
  NodeId const linked[] = {1, 5};  // both of taste 1
  Matrix<float> alone(1, 16);
  Matrix<float> with_links(1, 16);

  hgnn.embed_new(HostContext{}, f.log.types, f.links, f.log.features.view(), {&type, 1},
                 features.view(), {}, alone.view());
  hgnn.embed_new(HostContext{}, f.log.types, f.links, f.log.features.view(), {&type, 1},
                 features.view(), {.new_item = {fresh, 2}, .item = {linked, 2}}, with_links.view());

  auto const closeness = [&](Matrix<float> const& z, std::int64_t taste) {
    double total = 0;
    for (std::int64_t i = taste; i < 60; i += test::TinyLog::tastes) {
      for (std::int64_t c = 0; c < 16; ++c) {
        total += static_cast<double>(z.view()(0, c)) * static_cast<double>(known.view()(i, c));
      }
    }
    return total;
  };
  for (std::int64_t const other : {0, 2, 3}) {
    CHECK(closeness(alone, 1) > closeness(alone, other));
    CHECK(closeness(with_links, 1) > closeness(with_links, other));
  }
  CHECK_FALSE(std::equal(alone.data(), alone.data() + 16, with_links.data()));
}

TEST_CASE("stopping between steps leaves a usable HGNN", "[model][hgnn]") {
  Fixture const f;
  Hgnn hgnn(f.config());
  int calls = 0;

  auto const history = hgnn.fit(HostContext{}, f.log.types, f.links, f.log.features.view(),
                                [&](Progress const&) { return ++calls < 2; });

  CHECK(history.interrupted);
  CHECK(calls == 2);
  Matrix<float> z(60, 16);
  hgnn.embed(HostContext{}, f.log.types, f.links, f.log.features.view(), z.view());
  CHECK(std::isfinite(z.view()(0, 0)));
}

TEST_CASE("the HGNN refuses what it cannot learn from", "[model][hgnn]") {
  Fixture const f;
  Hgnn hgnn(f.config());
  Matrix<float> const short_features(59, 8);
  Matrix<float> z(60, 16);
  graph::ItemLinks const none;

  CHECK_THROWS_AS(hgnn.fit(HostContext{}, f.log.types, f.links, short_features.view()), ShapeError);
  CHECK_THROWS_AS(hgnn.fit(HostContext{}, f.log.types, none, f.log.features.view()), GraphError);
  CHECK_THROWS_AS(hgnn.embed(HostContext{}, f.log.types, f.links, f.log.features.view(), z.view()),
                  ConfigError);
  CHECK_THROWS_AS(Hgnn({.batch = 0}).initialize(f.log.types, 8), ConfigError);
  CHECK_THROWS_AS(
      Hgnn({.learning_rate = std::numeric_limits<double>::quiet_NaN()}).initialize(f.log.types, 8),
      ConfigError);
}

TEST_CASE("the HGNN refuses links and new items that do not fit", "[model][hgnn]") {
  Fixture f;
  HgnnConfig config = f.config();
  config.epochs = 1;
  Hgnn hgnn(config);
  hgnn.fit(HostContext{}, f.log.types, f.links, f.log.features.view());
  Matrix<float> z(60, 16);
  Matrix<float> fresh(1, 16);
  auto const features = Matrix<float>::zeros(1, 8);
  NodeTypeId const type{0};
  NodeTypeId const no_type{3};
  NodeId const first[] = {0};
  NodeId const outside[] = {60};
  auto const embed = [&] {
    hgnn.embed(HostContext{}, f.log.types, f.links, f.log.features.view(), z.view());
  };
  auto const embed_new = [&](NodeTypeId const& types, MatrixView<float const> x,
                             NewItemLinks const& links) {
    hgnn.embed_new(HostContext{}, f.log.types, f.links, f.log.features.view(), {&types, 1}, x,
                   links, fresh.view());
  };

  CHECK_NOTHROW(embed());
  CHECK_NOTHROW(embed_new(type, features.view(), {}));
  CHECK_THROWS_AS(embed_new(no_type, features.view(), {}), IndexError);
  CHECK_THROWS_AS(embed_new(type, features.view().col_slice(0, 7), {}), ShapeError);
  CHECK_THROWS_AS(embed_new(type, features.view(), {.new_item = {first, 1}, .item = {outside, 1}}),
                  IndexError);
  CHECK_THROWS_AS(embed_new(type, features.view(), {.new_item = {outside, 1}, .item = {first, 1}}),
                  IndexError);
  CHECK_THROWS_AS(embed_new(type, features.view(), {.new_item = {first, 1}, .item = {}}),
                  ShapeError);
  f.links.count.view()[2] = -1;
  CHECK_THROWS_WITH(embed(), Catch::Contains("links.count: got -1"));
  f.links.count.view()[2] = 1;
  f.links.weight.view()[3] = std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH(embed(), Catch::Contains("links.weight: got inf"));
  f.links.weight.view()[3] = 1;
  f.links.upper.view()[0] = 60;
  CHECK_THROWS_WITH(embed(), Catch::Contains("links.upper: got 60 at position 0"));
}
