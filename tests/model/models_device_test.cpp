// Models on a device against the host's: the same batches, neighbourhoods and negatives, so that
// results differ by rounding alone.

#include <catch2/catch.hpp>

#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/model/hgnn.hpp>
#include <relweave/model/recommender.hpp>
#include <relweave/model/two_tower.hpp>

#include <support/gradient_check.hpp>
#include <support/random_graph.hpp>
#include <support/tiny_log.hpp>
#include <support/tiny_recommender.hpp>

using namespace relweave;
using namespace relweave::model;
using namespace relweave::test;

namespace {

using DeviceMatrix = Matrix<float, Space::device>;

/// A log, its links, and a device without a workspace: models bring theirs.
struct Fixture {
  TinyLog log{60, item_count, 8};
  graph::ItemLinks links =
      graph::co_interaction_links(HostContext{}, log.view(), log.types, {.top_neighbors = 3});
  OwnedStream stream;
  CudaContext ctx{.stream = stream.get()};

  DeviceMatrix upload(MatrixView<float const> from) const {
    DeviceMatrix to(from.rows, from.cols);
    copy(ctx, from, to.view());
    synchronize(ctx);
    return to;
  }
  Matrix<float> download(DeviceMatrix const& from) const {
    Matrix<float> to(from.rows(), from.cols());
    copy(ctx, from.view(), to.view());
    synchronize(ctx);
    return to;
  }
};

HgnnConfig small_hgnn() {
  return {.layers = {8, 16}, .fanout = 3, .epochs = 2, .batch = 32, .learning_rate = 5e-3};
}

std::vector<NodeTypeId> types_of(graph::ItemTypes const& types) {
  std::vector<NodeTypeId> result;
  for (std::int64_t i = 0; i < types.offsets.back(); ++i) {
    result.push_back(types.type_of(static_cast<NodeId>(i)));
  }
  return result;
}

void check_histories(TrainingHistory const& got, TrainingHistory const& expected) {
  REQUIRE(got.epochs.size() == expected.epochs.size());
  CHECK(got.best_epoch == expected.best_epoch);
  for (std::size_t e = 0; e < got.epochs.size(); ++e) {
    CHECK(got.epochs[e].loss == Approx(expected.epochs[e].loss).epsilon(1e-4));
    CHECK(got.epochs[e].validation == Approx(expected.epochs[e].validation).margin(0.02));
    CHECK(got.epochs[e].examples == expected.epochs[e].examples);
  }
}

}  // namespace

TEST_CASE("an HGNN trained on a device is the one trained on the host", "[model][hgnn][gpu]") {
  Fixture const f;
  HgnnConfig config = small_hgnn();
  SECTION("margin") {}
  SECTION("sampled softmax, dropped nodes") {
    config.loss = LinkLoss::sampled_softmax;
    config.node_drop = 0.2;
  }
  Hgnn host(config), device(config);
  auto const features = f.upload(f.log.features.view());
  std::vector<double> reported;

  auto const expected = host.fit(HostContext{}, f.log.types, f.links, f.log.features.view());
  auto const got = device.fit(f.ctx, f.log.types, f.links, features.view(), [&](Progress const& p) {
    reported.push_back(p.loss);
    return true;
  });

  check_histories(got, expected);
  CHECK(reported.back() == Approx(got.epochs.back().loss).epsilon(0.5));  // a few steps behind
  Matrix<float> z(item_count, 16);
  DeviceMatrix dz(item_count, 16);
  host.embed(HostContext{}, f.log.types, f.links, f.log.features.view(), z.view());
  device.embed(f.ctx, f.log.types, f.links, features.view(), dz.view());
  CHECK(largest_difference(f.download(dz), z) < 5e-3);
}

TEST_CASE("items outside the graph get the same vectors on a device", "[model][hgnn][gpu]") {
  Fixture const f;
  Hgnn hgnn(small_hgnn());
  hgnn.initialize(f.log.types, f.log.features.cols());
  auto const features = f.upload(f.log.features.view());
  auto const fresh = random_matrix<float>(3, f.log.features.cols(), 4);
  auto const dfresh = f.upload(fresh.view());
  std::vector<NodeTypeId> const types{NodeTypeId{2}, NodeTypeId{0}, NodeTypeId{2}};
  std::vector<NodeId> const ends{0, 0, 2}, items{4, 50, 7};
  NewItemLinks const links{view_of(ends), view_of(items)};
  Matrix<float> z(3, 16);
  DeviceMatrix dz(3, 16);

  hgnn.embed_new(HostContext{}, f.log.types, f.links, f.log.features.view(), view_of(types),
                 fresh.view(), links, z.view());
  hgnn.embed_new(f.ctx, f.log.types, f.links, features.view(), view_of(types), dfresh.view(), links,
                 dz.view());

  CHECK(largest_difference(f.download(dz), z) < 1e-5);
}

TEST_CASE("two towers trained on a device are those trained on the host",
          "[model][two_tower][gpu]") {
  Fixture const f;
  TwoTowerConfig config{.layers = {24, 16}, .epochs = 2, .batch = 48, .learning_rate = 1e-2};
  Matrix<float> demographics = random_matrix<float>(60, 3, 6);
  MatrixView<float const> user_features;
  SECTION("sampled softmax") {}
  SECTION("eq. 5, causal histories") {
    config.loss = TowerLoss::dot_product;
    config.history = HistoryMode::causal;
  }
  SECTION("bpr, one layer, user features") {
    config.loss = TowerLoss::bpr;
    config.layers = {16};
    user_features = demographics.view();
  }
  SECTION("cold items") {
    config.cold_items = 0.3;
  }
  auto const cold = random_matrix<float>(item_count, f.log.features.cols(), 7);
  ItemInputs const items{.features = f.log.features.view(),
                         .vectors = f.log.features.view(),
                         .cold_vectors = cold.view()};
  auto const features = f.upload(f.log.features.view());
  auto const dcold = f.upload(cold.view());
  ItemInputsIn<Space::device> const there{
      .features = features.view(), .vectors = features.view(), .cold_vectors = dcold.view()};
  TwoTower host(config), device(config);

  auto const expected = host.fit(HostContext{}, f.log.view(), f.log.types, items, user_features);
  auto const got = device.fit(f.ctx, f.log.view(), f.log.types, there, user_features);

  check_histories(got, expected);
  auto const types = types_of(f.log.types);
  Matrix<float> z(item_count, 16), u(2, 16);
  DeviceMatrix dz(item_count, 16), du(2, 16);
  host.item_vectors(HostContext{}, view_of(types), items, z.view());
  device.item_vectors(f.ctx, view_of(types), there, dz.view());
  CHECK(largest_difference(f.download(dz), z) < 5e-3);
  std::vector<std::int64_t> const offsets{0, 3, 3};  // the second user is a cold one
  std::vector<NodeId> const history{1, 5, 40};
  Histories const histories{.offsets = view_of(offsets), .items = view_of(history), .strong = {}};
  host.user_vectors(HostContext{}, histories, f.log.types, f.log.features.view(), {}, u.view());
  device.user_vectors(f.ctx, histories, f.log.types, features.view(), {}, du.view());
  CHECK(largest_difference(f.download(du), u) < 5e-3);
}

TEST_CASE("a model trained and asked on a device recommends what the host's does",
          "[model][recommender][gpu]") {
  Fixture const f;
  RecommenderConfig config = small_config();
  config.hgnn.epochs = 2;
  config.towers.epochs = 2;
  config.towers.cold_items = GENERATE(0.0, 0.2);
  config.use_hgnn = GENERATE(true, false);
  Recommender host(config), device(config);
  host.fit(HostContext{}, data_of(f.log));
  device.fit(f.ctx, data_of(f.log));
  std::vector<NodeId> const users{0, 3, 59};
  Matrix<float> expected(3, item_count), got(3, item_count), answered(3, 5);
  Matrix<NodeId> items(3, 5);

  host.score_users(HostContext{}, view_of(users), expected.view());
  device.score_users(f.ctx, view_of(users), got.view());
  device.recommend_users(f.ctx, view_of(users), {.k = 5}, items.view(), answered.view());

  CHECK(largest_difference(got, expected) < 2e-2);
  for (std::int64_t u = 0; u < 3; ++u) {
    for (std::int64_t i = 0; i < 5; ++i) {
      NodeId const item = items.view()(u, i);
      REQUIRE(item >= 0);
      CHECK(answered.view()(u, i) == Approx(got.view()(u, item)).margin(1e-5));
      CHECK((i == 0 || answered.view()(u, i) <= answered.view()(u, i - 1)));
    }
  }

  SECTION("the device's model on the host gives its own scores") {
    device.score_users(HostContext{}, view_of(users), expected.view());
    CHECK(largest_difference(got, expected) < 1e-5);
  }
  SECTION("items added on the device are found there") {
    auto const fresh = random_matrix<float>(1, f.log.features.cols(), 4);
    std::vector<NodeTypeId> const type{NodeTypeId{1}};
    device.add_items(f.ctx, view_of(type), fresh.view(), {},
                     io::Vocabulary(std::vector<std::string>{"new"}));
    std::vector<NodeId> const only{item_count};
    device.recommend_users(f.ctx, view_of(users), {.k = 5, .allowed = only}, items.view(),
                           answered.view());
    CHECK(items.view()(0, 0) == item_count);
    CHECK(items.view()(0, 1) == -1);
  }
  SECTION("similar items") {
    Matrix<NodeId> a(3, 2), b(3, 2);
    Matrix<float> sa(3, 2), sb(3, 2);
    device.similar_items(HostContext{}, view_of(users), 2, a.view(), sa.view());
    device.similar_items(f.ctx, view_of(users), 2, b.view(), sb.view());
    CHECK(same_bits(a, b));
    CHECK(largest_difference(sa, sb) < 1e-5);
  }
  SECTION("a new log") {
    TinyLog const other(60, item_count, 8, 2);
    if (config.use_hgnn) {
      device.refit_graph(f.ctx, other.view());
    }
    device.refit_towers(f.ctx, other.view(), io::Vocabulary(names("v", 60)), {});
    device.score_users(f.ctx, view_of(users), expected.view());
    CHECK(largest_difference(got, expected) > 1e-3);
  }
}

TEST_CASE("training on a device gives the same bits twice, and stops when asked",
          "[model][recommender][gpu]") {
  Fixture const f;
  RecommenderConfig config = small_config();
  config.hgnn.epochs = 1;
  config.towers.epochs = 1;
  Recommender first(config), second(config), stopped(config);
  std::int64_t calls = 0;

  first.fit(f.ctx, data_of(f.log));
  second.fit(f.ctx, data_of(f.log));
  stopped.fit(f.ctx, data_of(f.log),
              [&](Progress const& p) { return p.stage != "towers" || ++calls < 3; });

  CHECK(std::equal(first.tower_vectors().data, first.tower_vectors().data + item_count * 16,
                   second.tower_vectors().data));
  CHECK(stopped.tower_history().interrupted);
  CHECK(stopped.fitted());
}

TEST_CASE("models on a device refuse features that are not numbers", "[model][gpu]") {
  Fixture const f;
  auto features = Matrix<float>::copy_of(f.log.features.view());
  features.view()(4, 2) = std::nanf("");
  auto const there = f.upload(features.view());
  Hgnn hgnn(small_hgnn());
  TwoTower towers;

  CHECK_THROWS_AS(hgnn.fit(f.ctx, f.log.types, f.links, there.view()), ConfigError);
  CHECK_THROWS_AS(towers.fit(f.ctx, f.log.view(), f.log.types,
                             {.features = there.view(), .vectors = there.view()}, {}),
                  ConfigError);
}
