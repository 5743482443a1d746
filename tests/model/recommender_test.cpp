#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>
#include <set>
#include <string>
#include <thread>

#include <relweave/core/error.hpp>
#include <relweave/model/recommender.hpp>

#include "support/tiny_recommender.hpp"

using namespace relweave;
using namespace relweave::model;
using namespace relweave::test;

TEST_CASE("the recommender finds unseen items of the user's taste", "[model][recommender]") {
  test::TinyLog const log(300, item_count, 8);
  auto const model = trained(log);
  std::vector<NodeId> users(40);
  for (std::size_t u = 0; u < users.size(); ++u) {
    users[u] = static_cast<NodeId>(u);
  }

  auto const answer = ask(model, users, {.k = 5});

  int good = 0;
  for (std::int64_t u = 0; u < 40; ++u) {
    std::set<NodeId> seen;
    for (std::size_t e = 0; e < log.user.size(); ++e) {
      if (log.user[e] == u) {
        seen.insert(log.item[e]);
      }
    }
    for (NodeId const item : answer.items.view().row(u)) {
      CHECK(seen.count(item) == 0);
      good += test::TinyLog::taste_of_item(item) == u % test::TinyLog::tastes ? 1 : 0;
    }
    auto const scores = answer.scores.view().row(u);
    CHECK(std::is_sorted(scores.begin(), scores.end(), std::greater<>()));
  }
  CHECK(good > 150);  // of 200; chance is 50
}

TEST_CASE("the recommender gives the same bits with 1, 2 and 3 threads", "[model][recommender]") {
  test::TinyLog const log(150, item_count, 8);
  std::vector<NodeId> const users{0, 7, 149};

  auto const one = ask(trained(log, 1), users, {.k = 10});
  auto const two = ask(trained(log, 2), users, {.k = 10});
  auto const three = ask(trained(log, 3), users, {.k = 10});

  CHECK(std::equal(one.items.data(), one.items.data() + 30, two.items.data()));
  CHECK(std::equal(one.scores.data(), one.scores.data() + 30, two.scores.data()));
  CHECK(std::equal(one.items.data(), one.items.data() + 30, three.items.data()));
  CHECK(std::equal(one.scores.data(), one.scores.data() + 30, three.scores.data()));
}

TEST_CASE("filters keep item types, allowed items and unseen items", "[model][recommender]") {
  test::TinyLog const log(150, item_count, 8);
  auto const model = trained(log);
  NodeTypeId const games[] = {NodeTypeId{1}};
  NodeId const allowed[] = {3, 31};

  auto const only_games = ask(model, {5}, {.k = 20, .exclude_seen = false, .types = games});
  auto const only_allowed = ask(model, {5}, {.k = 4, .exclude_seen = false, .allowed = allowed});

  for (std::int64_t c = 0; c < 15; ++c) {  // there are 15 games
    NodeId const item = only_games.items.view()(0, c);
    CHECK((item >= 30 && item < 45));
  }
  CHECK(only_games.items.view()(0, 15) == -1);
  CHECK(only_games.scores.view()(0, 15) == -std::numeric_limits<float>::infinity());
  CHECK(std::set<NodeId>{only_allowed.items.view()(0, 0), only_allowed.items.view()(0, 1)} ==
        std::set<NodeId>{3, 31});
  CHECK(only_allowed.items.view()(0, 2) == -1);
}

TEST_CASE("scores of a history are those of the user who has it", "[model][recommender]") {
  test::TinyLog const log(150, item_count, 8);
  auto const model = trained(log);
  Matrix<float> expected(150, item_count), got(150, item_count);
  Matrix<float> cold(2, item_count);
  std::vector<std::int64_t> const none{0, 0, 0};
  std::vector<NodeId> everyone(150);
  std::iota(everyone.begin(), everyone.end(), NodeId{0});

  model.score_users(HostContext{}, {everyone.data(), 150}, expected.view());
  model.score(HostContext{}, model.histories(), {}, got.view());
  model.score(HostContext{}, {.offsets = {none.data(), 3}, .items = {}, .strong = {}}, {},
              cold.view());

  CHECK(std::equal(got.data(), got.data() + 150 * item_count, expected.data()));
  CHECK(std::equal(cold.data(), cold.data() + item_count, cold.view().row_data(1)));
  std::vector<NodeId> best(10);
  std::vector<float> scores(10);
  model.recommend(HostContext{}, {.offsets = {none.data(), 2}, .items = {}, .strong = {}}, {},
                  {.k = 10}, {best.data(), 1, 10}, {scores.data(), 1, 10});
  for (std::size_t p = 0; p < 10; ++p) {
    CHECK(scores[p] == cold.view()(0, best[p]));
  }
}

TEST_CASE("an answer does not depend on who else is in the call", "[model][recommender]") {
  test::TinyLog const log(150, item_count, 8);
  auto const model = trained(log);
  std::vector<NodeId> users(150);
  std::iota(users.begin(), users.end(), NodeId{0});
  auto const together = ask(model, users, {.k = 10});
  Matrix<float> scores(150, item_count);
  model.score_users(HostContext{}, {users.data(), 150}, scores.view());

  for (std::size_t const size : {1U, 2U, 7U, 100U}) {
    for (std::size_t begin = 0; begin + size <= users.size(); begin += size) {
      std::vector<NodeId> const part(users.begin() + static_cast<std::ptrdiff_t>(begin),
                                     users.begin() + static_cast<std::ptrdiff_t>(begin + size));
      auto const answer = ask(model, part, {.k = 10});
      auto const n = static_cast<std::int64_t>(size);
      auto const first = static_cast<std::int64_t>(begin);
      REQUIRE(std::equal(answer.items.data(), answer.items.data() + n * 10,
                         together.items.view().row_data(first)));
      REQUIRE(std::equal(answer.scores.data(), answer.scores.data() + n * 10,
                         together.scores.view().row_data(first)));
    }
  }
  for (std::int64_t u = 0; u < 150; ++u) {
    for (std::int64_t p = 0; p < 10; ++p) {
      REQUIRE(together.scores.view()(u, p) == scores.view()(u, together.items.view()(u, p)));
    }
  }
}

TEST_CASE("fresh histories are served from many threads as one by one", "[model][recommender]") {
  test::TinyLog log(150, item_count, 8);
  std::fill(log.strong.begin(), log.strong.end(), std::uint8_t{1});
  auto const model = trained(log);
  auto const stored = ask(model, {11}, {.k = 6});
  auto const all = model.histories();
  auto const history = [&](std::int64_t user) {
    return std::span<NodeId const>(
        all.items.data + all.offsets[user],
        static_cast<std::size_t>(all.offsets[user + 1] - all.offsets[user]));
  };
  auto const serve = [&](int threads) {
    std::vector<ScoredItem> answers;
    for (std::int64_t user = 0; user < 150; ++user) {
      auto const answer = model.recommend(HostContext{.threads = threads}, history(user), 6);
      answers.insert(answers.end(), answer.begin(), answer.end());
    }
    return answers;
  };
  auto const alone = serve(1);
  std::vector<std::vector<ScoredItem>> answers(4);
  std::vector<std::thread> threads;

  for (std::size_t t = 0; t < answers.size(); ++t) {
    // Some share the pool, some keep to themselves.
    threads.emplace_back([&, t] { answers[t] = serve(t % 2 == 0 ? 1 : 2); });
  }
  for (auto& t : threads) {
    t.join();
  }

  REQUIRE(alone.size() == 150 * 6);
  for (auto const& answer : answers) {
    CHECK((answer == alone));
  }
  for (std::size_t i = 0; i < 6; ++i) {
    auto const place = static_cast<std::int64_t>(i);
    CHECK(alone[11 * 6 + i].item == stored.items.view()(0, place));
    CHECK(alone[11 * 6 + i].score == stored.scores.view()(0, place));
  }
  CHECK(model.recommend(HostContext{}, {}, 3).size() == 3);  // a cold user
}

TEST_CASE("items added after training are retrieved", "[model][recommender]") {
  test::TinyLog const log(200, item_count, 8);
  auto model = trained(log);
  NodeTypeId const type{0};
  auto const features = Matrix<float>::from_rows({{0, 0, 1, 0, 0, 0, 0, 0}});
  NodeId const ids[] = {item_count};

  model.add_items(HostContext{}, {&type, 1}, features.view(), {},
                  io::Vocabulary(std::vector<std::string>{"new"}));

  CHECK(model.items().size() == item_count + 1);
  auto const answer = ask(model, {2}, {.k = 1, .exclude_seen = false, .allowed = ids});
  CHECK(answer.items.view()(0, 0) == item_count);
  CHECK_THROWS_AS(model.add_items(HostContext{}, {&type, 1}, features.view(), {},
                                  io::Vocabulary(std::vector<std::string>{"i3"})),
                  Error);
}

TEST_CASE("similar items share a taste and leave the item itself out", "[model][recommender]") {
  test::TinyLog const log(300, item_count, 10);
  auto const model = trained(log);
  NodeId const items[] = {0, 1, 2, 3};
  Answer answer(4, 5);

  model.similar_items(HostContext{}, {items, 4}, 5, answer.items.view(), answer.scores.view());

  int alike = 0;
  for (std::int64_t r = 0; r < 4; ++r) {
    for (NodeId const item : answer.items.view().row(r)) {
      CHECK(item != items[r]);
      alike += test::TinyLog::taste_of_item(item) == r ? 1 : 0;
    }
  }
  CHECK(alike >= 15);  // of 20; chance is 5
}

TEST_CASE("towers and graph are refitted alone", "[model][recommender]") {
  test::TinyLog const log(150, item_count, 8);
  test::TinyLog const later(120, item_count, 8, /*seed=*/2);
  auto model = trained(log);
  auto const vectors = Matrix<float>::copy_of(model.general_vectors());

  model.refit_towers(HostContext{}, later.view(), io::Vocabulary(names("v", 120)), {});
  bool const same_vectors =
      std::equal(vectors.data(), vectors.data() + item_count * 16, model.general_vectors().data);
  model.refit_graph(HostContext{}, later.view());

  CHECK(same_vectors);
  CHECK(model.users().size() == 120);
  CHECK_FALSE(
      std::equal(vectors.data(), vectors.data() + item_count * 16, model.general_vectors().data));
  CHECK(ask(model, {0}, {.k = 3}).items.view()(0, 0) >= 0);
}

TEST_CASE("a saved recommender answers the same after loading", "[model][recommender]") {
  test::TinyLog const log(150, item_count, 8);
  TemporaryDirectory const directory;
  RecommenderConfig config = small_config();
  config.use_hgnn = GENERATE(true, false);
  auto const model = trained(log, 2, config);

  model.save(directory.path / "model");
  auto const loaded = load_checkpoint(directory.path / "model");

  auto const before = ask(model, {3, 77}, {.k = 10});
  auto const after = ask(loaded, {3, 77}, {.k = 10});
  CHECK(std::equal(before.items.data(), before.items.data() + 20, after.items.data()));
  CHECK(std::equal(before.scores.data(), before.scores.data() + 20, after.scores.data()));
  CHECK(loaded.config().hgnn.layers == config.hgnn.layers);
  CHECK(loaded.items().size() == item_count);
  CHECK(loaded.links().lower.size() == model.links().lower.size());
}

TEST_CASE("a damaged checkpoint is refused and a failed save leaves the old one",
          "[model][recommender]") {
  test::TinyLog const log(60, item_count, 6);
  TemporaryDirectory const directory;
  auto const model = trained(log);
  auto const path = directory.path / "model";
  model.save(path);

  std::ofstream(directory.path / "file") << "not a directory";
  CHECK_THROWS_AS(model.save(directory.path / "file" / "model"), IoError);
  CHECK_THROWS_AS(load_checkpoint(directory.path / "nothing"), IoError);
  for (auto const& entry : std::filesystem::directory_iterator(path)) {
    if (entry.path().extension() == ".safetensors") {
      std::filesystem::resize_file(entry.path(), std::filesystem::file_size(entry.path()) / 2);
    }
  }
  CHECK_THROWS_AS(load_checkpoint(path), IoError);
}

TEST_CASE("a stopped fit is usable, and a failed one leaves the model as it was",
          "[model][recommender]") {
  test::TinyLog const log(150, item_count, 8);
  auto model = trained(log);
  auto const before = ask(model, {1}, {.k = 5});
  auto broken = data_of(log);
  Matrix<float> bad = Matrix<float>::copy_of(log.features.view());
  bad.view()(4, 2) = std::numeric_limits<float>::quiet_NaN();
  broken.item_features = bad.view();

  CHECK_THROWS_WITH(model.fit(HostContext{}, std::move(broken)),
                    Catch::Contains("row 4") && Catch::Contains("finite"));
  auto const after = ask(model, {1}, {.k = 5});
  Recommender stopped(small_config());
  stopped.fit(HostContext{}, data_of(log),
              [](Progress const& p) { return p.stage != "towers" || p.step < 2; });

  CHECK(std::equal(before.items.data(), before.items.data() + 5, after.items.data()));
  CHECK(stopped.tower_history().interrupted);
  CHECK(ask(stopped, {1}, {.k = 5}).items.view()(0, 0) >= 0);
}

TEST_CASE("the recommender refuses bad requests", "[model][recommender]") {
  test::TinyLog const log(60, item_count, 6);
  auto const model = trained(log);
  Recommender const empty(small_config());
  auto no_events = data_of(log);
  no_events.log.user = no_events.log.item = {};
  no_events.log.time = {};
  no_events.log.strong = {};

  CHECK_THROWS_AS(ask(empty, {0}, {.k = 3}), ConfigError);
  CHECK_THROWS_AS(ask(model, {60}, {.k = 3}), IndexError);
  CHECK_THROWS_AS(ask(model, {0}, {.k = 0}), ConfigError);
  CHECK_THROWS_AS(Recommender(small_config()).fit(HostContext{}, std::move(no_events)),
                  ConfigError);
}
