#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <new>
#include <numeric>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/model/recommender.hpp>

#include "support/allocations.hpp"
#include "support/tiny_recommender.hpp"

using namespace relweave;
using namespace relweave::model;
using namespace relweave::test;

namespace {

constexpr std::int64_t users = 60;

RecommenderConfig quick_config() {
  RecommenderConfig config = small_config();
  config.hgnn.epochs = config.towers.epochs = 1;
  return config;
}

/// What a model answers and holds.
struct State {
  std::vector<float> scores;
  std::vector<NodeId> recommended, similar;
  std::vector<std::int64_t> sizes;

  explicit State(Recommender const& model)
      : scores(static_cast<std::size_t>(users * model.items().size())),
        recommended(static_cast<std::size_t>(users * 5)),
        similar(static_cast<std::size_t>(item_count * 5)) {
    HostContext const ctx{.threads = 1};
    std::vector<NodeId> everyone(static_cast<std::size_t>(users));
    std::vector<NodeId> items(static_cast<std::size_t>(item_count));
    std::iota(everyone.begin(), everyone.end(), NodeId{0});
    std::iota(items.begin(), items.end(), NodeId{0});
    Matrix<float> values(std::max(users, item_count), 5);
    model.score_users(ctx, {everyone.data(), users}, {scores.data(), users, model.items().size()});
    model.recommend_users(ctx, {everyone.data(), users}, {.k = 5}, {recommended.data(), users, 5},
                          values.view().row_slice(0, users));
    model.similar_items(ctx, {items.data(), item_count}, 5, {similar.data(), item_count, 5},
                        values.view().row_slice(0, item_count));
    sizes = {model.items().size(),         model.users().size(),
             model.links().lower.size(),   std::ssize(model.added_types()),
             model.histories().items.size, std::ssize(model.tower_history().epochs)};
  }

  bool operator==(State const&) const = default;
};

/// Calls `update` again and again, and lets a later allocation fail each time, until none does:
/// some along the way, and each of the last ones.
void check_failed_allocations(Recommender& model, std::function<void(Recommender&)> const& update) {
  constexpr std::int64_t along_the_way = 40;
  constexpr std::int64_t last = 60;
  State const before(model);
  {
    TinyLog const log(users, item_count, 6);
    auto other = trained(log, 1, quick_config());
    allocations::count_from(0);
    update(other);
  }
  std::int64_t const count = allocations::counted();
  REQUIRE(count > 2 * last);

  std::int64_t failures = 0;
  for (std::int64_t later = 0;; later += later < count - last ? count / along_the_way : 1) {
    allocations::fail_after(later);
    bool thrown = false;
    try {
      update(model);
    } catch (std::bad_alloc const&) {
      thrown = true;
    }
    bool const failed = allocations::end_failures();
    CAPTURE(later, count);
    REQUIRE(thrown == failed);
    if (!failed) {
      break;
    }
    ++failures;
    REQUIRE(State(model) == before);
  }
  CHECK(failures > last);
  CHECK_FALSE(State(model) == before);
}

Recommender with_an_added_item() {
  TinyLog const log(users, item_count, 6);
  auto model = trained(log, 1, quick_config());
  NodeTypeId const type[] = {NodeTypeId{0}};
  auto const features = Matrix<float>::zeros(1, log.features.cols());
  model.add_items(HostContext{.threads = 1}, {type, 1}, features.view(), {},
                  io::Vocabulary(names("new", 1)));
  return model;
}

}  // namespace

TEST_CASE("a refit of the graph that runs out of memory leaves the model as it was",
          "[model][recommender]") {
  TinyLog const later(users, item_count, 9, /*seed=*/2);
  auto model = with_an_added_item();

  check_failed_allocations(
      model, [&](Recommender& m) { m.refit_graph(HostContext{.threads = 1}, later.view()); });
}

TEST_CASE("a refit of the towers that runs out of memory leaves the model as it was",
          "[model][recommender]") {
  TinyLog const later(users, item_count, 9, /*seed=*/2);
  auto model = with_an_added_item();
  io::Vocabulary const ids(names("v", users));

  check_failed_allocations(model, [&](Recommender& m) {
    m.refit_towers(HostContext{.threads = 1}, later.view(), ids, {});
  });
}

TEST_CASE("an item whose addition runs out of memory leaves the model as it was",
          "[model][recommender]") {
  auto model = with_an_added_item();
  NodeTypeId const type[] = {NodeTypeId{1}};
  auto const features = Matrix<float>::zeros(1, 8);
  io::Vocabulary const ids(names("more", 1));

  check_failed_allocations(model, [&](Recommender& m) {
    m.add_items(HostContext{.threads = 1}, {type, 1}, features.view(), {}, ids);
  });
}
