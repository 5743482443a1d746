#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/sampling/links.hpp>

using namespace relweave;
using sampling::LinkBalance;
using sampling::LinkSampler;

namespace {

/// 500 links of group 0, 60 of group 1, none of group 2, 20 of group 3; mixed.
std::vector<std::int32_t> groups() {
  std::vector<std::int32_t> result;
  for (int k = 0; k < 580; ++k) {
    result.push_back(k % 29 == 0 ? 3 : k % 29 < 4 ? 1 : 0);
  }
  return result;
}

std::array<std::int64_t, 4> counts(VectorView<std::int64_t const> order) {
  auto const group = groups();
  std::array<std::int64_t, 4> result{};
  for (std::int64_t const link : order) {
    ++result[static_cast<std::size_t>(group[static_cast<std::size_t>(link)])];
  }
  return result;
}

}  // namespace

TEST_CASE("an epoch takes as many links of each group as its balance says", "[sampling][links]") {
  Buffer<std::int64_t> order;
  auto const taken = [&](sampling::LinkSamplerConfig const& config) {
    LinkSampler const sampler(groups(), 4, config);
    sampler.epoch(1, 0, order);
    CHECK(std::set<std::int64_t>(order.view().begin(), order.view().end()).size() ==
          static_cast<std::size_t>(order.size()));
    auto const result = counts(order.view());
    CHECK(std::equal(result.begin(), result.end(), sampler.quotas().begin()));
    return result;
  };

  using Counts = std::array<std::int64_t, 4>;
  CHECK(taken({.balance = LinkBalance::none}) == Counts{500, 60, 0, 20});
  CHECK(taken({.balance = LinkBalance::strict}) == Counts{20, 20, 0, 20});
  CHECK(taken({.balance = LinkBalance::floor, .floor = 100}) == Counts{100, 60, 0, 20});
  CHECK(taken({.balance = LinkBalance::floor, .floor = 5}) == Counts{20, 20, 0, 20});
  CHECK(taken({}) == Counts{500, 60, 0, 20});
}

TEST_CASE("every epoch is a new subset and order, the same for a seed", "[sampling][links]") {
  LinkSampler const sampler(groups(), 4, {.balance = LinkBalance::strict});
  Buffer<std::int64_t> first;
  Buffer<std::int64_t> again;
  Buffer<std::int64_t> next;

  sampler.epoch(1, 0, first);
  sampler.epoch(1, 1, next);
  sampler.epoch(1, 0, again);

  CHECK(std::equal(first.view().begin(), first.view().end(), again.view().begin()));
  CHECK_FALSE(std::equal(first.view().begin(), first.view().end(), next.view().begin()));
  sampler.epoch(2, 0, next);
  CHECK_FALSE(std::equal(first.view().begin(), first.view().end(), next.view().begin()));
}

TEST_CASE("links of a group are equally likely, at every place", "[sampling][links]") {
  LinkSampler const sampler(groups(), 4, {.balance = LinkBalance::strict});
  Buffer<std::int64_t> order;
  constexpr int epochs = 20'000;
  std::vector<int> drawn(580, 0);
  std::array<int, 4> first_place{};

  for (std::uint64_t epoch = 0; epoch < epochs; ++epoch) {
    sampler.epoch(3, epoch, order);
    ++first_place[static_cast<std::size_t>(groups()[static_cast<std::size_t>(order.view()[0])])];
    for (std::int64_t const link : order.view()) {
      ++drawn[static_cast<std::size_t>(link)];
    }
  }

  auto const group = groups();
  for (std::size_t link = 0; link < drawn.size(); ++link) {
    double const p = group[link] == 0 ? 20.0 / 500 : group[link] == 1 ? 20.0 / 60 : 1;
    CHECK(drawn[link] == Approx(epochs * p).margin(5 * std::sqrt(epochs * p * (1 - p)) + 1e-9));
  }
  for (int const g : {0, 1, 3}) {
    CHECK(first_place[static_cast<std::size_t>(g)] ==
          Approx(epochs / 3.0).margin(5 * std::sqrt(epochs * 2.0 / 9)));
  }
}

TEST_CASE("no links give an empty epoch", "[sampling][links]") {
  Buffer<std::int64_t> order;

  LinkSampler({}, 3, {}).epoch(1, 0, order);

  CHECK(order.empty());
}

TEST_CASE("a validation split puts every link on one side", "[sampling][links]") {
  auto const split = sampling::validation_split(1000, 0.1, 7);
  auto const other = sampling::validation_split(1000, 0.1, 8);

  CHECK(split.validation.size() == 100);
  std::vector<std::int64_t> all(split.train.view().begin(), split.train.view().end());
  CHECK(std::is_sorted(all.begin(), all.end()));
  CHECK(std::is_sorted(split.validation.view().begin(), split.validation.view().end()));
  all.insert(all.end(), split.validation.view().begin(), split.validation.view().end());
  std::sort(all.begin(), all.end());
  std::vector<std::int64_t> expected(1000);
  std::iota(expected.begin(), expected.end(), 0);
  CHECK(all == expected);
  CHECK_FALSE(std::equal(split.validation.view().begin(), split.validation.view().end(),
                         other.validation.view().begin()));
  CHECK(sampling::validation_split(5, 0, 1).validation.empty());
  CHECK(sampling::validation_split(0, 0.5, 1).train.empty());
}

TEST_CASE("what link sampling refuses", "[sampling][links]") {
  std::vector<std::int32_t> const bad{0, 4};
  CHECK_THROWS_AS(LinkSampler(bad, 4, {}), IndexError);
  CHECK_THROWS_AS(LinkSampler(groups(), 4, {.floor = 0}), ConfigError);
  CHECK_THROWS_AS(LinkSampler({}, -1, {}), ConfigError);
  CHECK_THROWS_AS(sampling::validation_split(10, 1, 0), ConfigError);
  CHECK_THROWS_AS(sampling::validation_split(10, -0.1, 0), ConfigError);
  CHECK_THROWS_AS(sampling::validation_split(-1, 0.1, 0), ConfigError);
}
