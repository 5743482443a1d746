#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/metrics/ranking.hpp>

#include "support/gradient_check.hpp"
#include "support/random_graph.hpp"

using namespace relweave;
using namespace relweave::metrics;

namespace {

constexpr float hidden = -std::numeric_limits<float>::infinity();

using Longs = std::vector<std::int64_t>;
using Items = std::vector<NodeId>;

Longs ranked(MatrixView<float const> scores, Longs const& offsets, Items const& items,
             std::vector<std::int32_t> const& groups = {}, int threads = 2) {
  Longs out(items.size());
  ranks(HostContext{.threads = threads}, scores,
        {.offsets = test::view_of(offsets), .items = test::view_of(items)}, test::view_of(groups),
        {out.data(), std::ssize(out)});
  return out;
}

RankingMetrics metrics_of(Longs const& offsets, Longs const& ranks, std::int64_t k) {
  return ranking_metrics(test::view_of(offsets), test::view_of(ranks), k);
}

}  // namespace

TEST_CASE("ranks by hand: ties go to the lower item, excluded items have none", "[metrics]") {
  auto scores = Matrix<float>::from_rows({{5, 4, 3, 3, 1}, {1, 1, 1, 1, 1}});
  Longs const seen_offsets{0, 1, 1};
  Items const seen{0};
  exclude({.offsets = test::view_of(seen_offsets), .items = test::view_of(seen)}, scores.view());

  auto const among_all = ranked(scores.view(), {0, 3, 5}, {1, 3, 4, 0, 4});
  auto const among_group = ranked(scores.view(), {0, 3, 5}, {1, 3, 4, 0, 4}, {7, 8, 7, 8, 7});

  CHECK(scores.view()(0, 0) == hidden);
  CHECK(among_all == Longs{0, 2, 3, 0, 4});
  CHECK(among_group == Longs{0, 1, 1, 0, 2});
}

TEST_CASE("ranks are places in the sorted catalogue, at any number of threads", "[metrics]") {
  std::int64_t const users = 37, items = 501;
  auto scores = test::random_matrix<float>(users, items, 1);
  for (std::int64_t c = 0; c < users * items; ++c) {
    scores.data()[c] = std::round(scores.data()[c] * 20);  // many ties
  }
  Longs offsets{0};
  Items relevant;
  for (std::int64_t u = 0; u < users; ++u) {
    for (std::int64_t r = 0; r < u % 5; ++r) {
      relevant.push_back(static_cast<NodeId>((u * 131 + r * 97) % items));
    }
    offsets.push_back(std::ssize(relevant));
  }
  Longs expected;
  for (std::int64_t u = 0; u < users; ++u) {
    Items order(static_cast<std::size_t>(items));
    std::iota(order.begin(), order.end(), NodeId{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](NodeId a, NodeId b) { return scores.view()(u, a) > scores.view()(u, b); });
    for (std::int64_t e = offsets[static_cast<std::size_t>(u)];
         e < offsets[static_cast<std::size_t>(u) + 1]; ++e) {
      expected.push_back(
          std::find(order.begin(), order.end(), relevant[static_cast<std::size_t>(e)]) -
          order.begin());
    }
  }

  for (int const threads : {1, 2, 3}) {
    CHECK(ranked(scores.view(), offsets, relevant, {}, threads) == expected);
  }
}

TEST_CASE("users are ranked in blocks as at once", "[metrics]") {
  auto const scores = test::random_matrix<float>(5, 40, 3);
  Longs const offsets{0, 2, 2, 3, 5, 6};
  Items const items{7, 30, 1, 39, 0, 7};
  ItemLists const relevant{.offsets = test::view_of(offsets), .items = test::view_of(items)};
  auto const expected = ranked(scores.view(), offsets, items);
  Longs out(items.size());

  for (std::int64_t begin = 0; begin < 5; begin += 2) {
    std::int64_t const count = std::min<std::int64_t>(2, 5 - begin);
    ranks(HostContext{}, scores.view().row_slice(begin, count), relevant.slice(begin, count), {},
          {out.data(), std::ssize(out)});
  }

  CHECK(out == expected);
}

TEST_CASE("metrics by hand", "[metrics]") {
  // of k = 3: hits at 0 and 2 of three; a miss; no relevant item; more relevant items than k
  auto const m = metrics_of({0, 3, 4, 4, 9}, {2, 0, 7, 3, 4, 1, 0, 2, 9}, 3);

  double const third = 1 / std::log2(4.0), second = 1 / std::log2(3.0);
  double const ideal = 1 + second + third;
  CHECK(m.hr.view()[0] == 1);
  CHECK(m.recall.view()[0] == Approx(2.0 / 3));
  CHECK(m.ndcg.view()[0] == Approx((1 + third) / ideal));
  CHECK(m.mrr.view()[0] == 1);
  CHECK(m.hr.view()[1] == 0);
  CHECK(m.recall.view()[1] == 0);
  CHECK(m.ndcg.view()[1] == 0);
  CHECK(m.mrr.view()[1] == 0.25);
  CHECK(std::isnan(m.hr.view()[2]));
  CHECK(std::isnan(m.recall.view()[2]));
  CHECK(std::isnan(m.ndcg.view()[2]));
  CHECK(std::isnan(m.mrr.view()[2]));
  CHECK(m.recall.view()[3] == Approx(3.0 / 5));
  CHECK(m.ndcg.view()[3] == Approx(1));
}

TEST_CASE("means are over the slice and the users with relevant items", "[metrics]") {
  auto const m = metrics_of({0, 1, 2, 2, 3}, {0, 4, 1}, 2);
  std::uint8_t const slice[] = {0, 1, 1, 1};

  auto const all = mean_over(m);
  auto const some = mean_over(m, {slice, 4});
  auto const none = mean_over(RankingMetrics{});

  CHECK(all.users == 3);
  CHECK(all.hr == Approx(2.0 / 3));
  CHECK(all.mrr == Approx((1 + 0.2 + 0.5) / 3));
  CHECK(some.users == 2);
  CHECK(some.recall == 0.5);
  CHECK(some.ndcg == Approx(1 / std::log2(3.0) / 2));
  CHECK(none.users == 0);
}

TEST_CASE("coverage counts items that are among the first k of somebody", "[metrics]") {
  // user 0: 1 and 3 of the tie for the second place; user 1: one item is shown at all
  auto const scores =
      Matrix<float>::from_rows({{1, 9, 0, 3, 3, 3}, {hidden, hidden, 2, hidden, hidden, hidden}});
  auto const mark = [&](std::int64_t k) {
    std::vector<std::uint8_t> listed(6, 0);
    mark_listed(HostContext{}, scores.view(), k, {listed.data(), 6});
    return listed;
  };

  auto const listed = mark(2);

  CHECK(listed == std::vector<std::uint8_t>{0, 1, 1, 1, 0, 0});
  CHECK(coverage({listed.data(), 6}) == 0.5);
  CHECK(mark(1) == std::vector<std::uint8_t>{0, 1, 1, 0, 0, 0});
  CHECK(mark(3) == std::vector<std::uint8_t>{0, 1, 1, 1, 1, 0});
  CHECK(mark(100) == std::vector<std::uint8_t>(6, 1));
  CHECK(coverage({}) == 0);
}

TEST_CASE("an item is listed exactly if its rank is below k for somebody", "[metrics]") {
  std::int64_t const users = 20, items = 300, k = 7;
  auto scores = test::random_matrix<float>(users, items, 2);
  for (std::int64_t c = 0; c < users * items; ++c) {
    scores.data()[c] = std::round(scores.data()[c] * 10);
  }
  Longs offsets(static_cast<std::size_t>(users) + 1);
  Items all;
  for (std::int64_t u = 0; u < users; ++u) {
    for (NodeId i = 0; i < items; ++i) {
      all.push_back(i);
    }
    offsets[static_cast<std::size_t>(u) + 1] = (u + 1) * items;
  }
  auto const rank = ranked(scores.view(), offsets, all);
  std::vector<std::uint8_t> expected(static_cast<std::size_t>(items), 0);
  for (std::size_t e = 0; e < all.size(); ++e) {
    if (rank[e] < k) {
      expected[static_cast<std::size_t>(all[e])] = 1;
    }
  }
  std::vector<std::uint8_t> listed(expected.size(), 0);

  mark_listed(HostContext{.threads = 3}, scores.view(), k, {listed.data(), items});

  CHECK(listed == expected);
}

TEST_CASE("metrics refuse bad input", "[metrics]") {
  float const nan = std::numeric_limits<float>::quiet_NaN();
  auto const scores = Matrix<float>::from_rows({{1, 2, hidden}});
  auto const bad = Matrix<float>::from_rows({{1, nan, 3}});
  auto const endless = Matrix<float>::from_rows({{1, -hidden, 3}});
  std::vector<std::uint8_t> listed(5, 0);

  CHECK_THROWS_WITH(ranked(scores.view(), {0, 1}, {2}), Catch::Contains("not excluded"));
  CHECK_THROWS_AS(ranked(scores.view(), {0, 1}, {3}), IndexError);
  CHECK_THROWS_AS(ranked(scores.view(), {0, 0, 1}, {0}), ShapeError);
  CHECK_THROWS_AS(ranked(scores.view(), {0, 2}, {0}), ShapeError);
  CHECK_THROWS_AS(ranked(scores.view(), {-1, 1}, {0}), ShapeError);
  CHECK_THROWS_AS(ranked(scores.view(), {0, 1}, {0}, {1, 1}), ShapeError);
  CHECK_THROWS_WITH(ranked(bad.view(), {0, 1}, {0}), Catch::Contains("user 0, item 1"));
  CHECK_THROWS_AS(ranked(endless.view(), {0, 1}, {0}), ConfigError);
  CHECK_THROWS_AS(metrics_of({0, 1}, {0}, 0), ConfigError);
  CHECK_THROWS_AS(metrics_of({0, 1}, {-1}, 2), ConfigError);
  CHECK_THROWS_AS(metrics_of({0, 2, 1}, {0}, 2), ShapeError);
  CHECK_THROWS_AS(mean_over(RankingMetrics(3), {listed.data(), 5}), ShapeError);
  CHECK_THROWS_AS(mark_listed(HostContext{}, scores.view(), 2, {listed.data(), 5}), ShapeError);
  CHECK_THROWS_AS(mark_listed(HostContext{}, scores.view(), 0, {listed.data(), 3}), ConfigError);
}
