#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/error.hpp>
#include <relweave/sampling/negative.hpp>

#include "support/random_graph.hpp"

using namespace relweave;
using sampling::PopularityNegatives;

namespace {

std::vector<double> frequencies(MatrixView<NodeId const> draws, std::int64_t nodes) {
  std::vector<double> result(static_cast<std::size_t>(nodes), 0.0);
  for (std::int64_t r = 0; r < draws.rows; ++r) {
    for (NodeId const node : draws.row(r)) {
      result.at(static_cast<std::size_t>(node)) += 1;
    }
  }
  return result;
}

void check_frequencies(std::vector<double> const& seen, std::vector<double> const& q, double n) {
  for (std::size_t i = 0; i < q.size(); ++i) {
    CHECK(seen[i] == Approx(n * q[i]).margin(5 * std::sqrt(n * q[i] * (1 - q[i])) + 1e-9));
  }
}

bool equal(Matrix<NodeId> const& a, Matrix<NodeId> const& b) {
  return std::equal(a.data(), a.data() + a.rows() * a.cols(), b.data());
}

}  // namespace

TEST_CASE("uniform negatives are uniform", "[sampling][negative]") {
  Matrix<NodeId> draws(20'000, 5);

  sampling::uniform_negatives({}, 1, 0, 7, draws.view());

  check_frequencies(frequencies(draws.view(), 7), std::vector<double>(7, 1.0 / 7), 100'000);
}

TEST_CASE("popularity negatives follow counts to the power", "[sampling][negative]") {
  std::vector<std::int64_t> const counts{1000, 0, 1, 30, 30, 200, 7, 0};
  double const power = GENERATE(0.0, 0.75, 1.0, 2.0);
  PopularityNegatives const negatives(test::view_of(counts), power);
  Matrix<NodeId> draws(20'000, 10);
  std::vector<double> q;
  double total = 0;
  for (std::int64_t const c : counts) {
    q.push_back(c == 0 ? 0 : std::pow(static_cast<double>(c), power));
    total += q.back();
  }
  for (double& x : q) {
    x /= total;
  }

  negatives.draw({}, 1, 0, draws.view());

  check_frequencies(frequencies(draws.view(), 8), q, 200'000);
  for (std::size_t i = 0; i < q.size(); ++i) {
    float const log_q = negatives.log_q()[static_cast<std::int64_t>(i)];
    CHECK((q[i] == 0 ? std::isinf(log_q) && log_q < 0 : log_q == Approx(std::log(q[i]))));
  }
}

TEST_CASE("negatives depend on seed and step, not on threads", "[sampling][negative]") {
  std::vector<std::int64_t> const counts{5, 1, 9, 4, 4};
  PopularityNegatives const negatives(test::view_of(counts), 0.75);
  Matrix<NodeId> one(1000, 3);
  Matrix<NodeId> three(1000, 3);
  auto const draw = [&](bool by_popularity, int threads, std::uint64_t seed, std::uint64_t step,
                        Matrix<NodeId>& out) {
    if (by_popularity) {
      negatives.draw({.threads = threads}, seed, step, out.view());
    } else {
      sampling::uniform_negatives({.threads = threads}, seed, step, 5, out.view());
    }
  };
  bool const by_popularity = GENERATE(false, true);

  draw(by_popularity, 1, 4, 2, one);
  draw(by_popularity, 3, 4, 2, three);

  CHECK(equal(one, three));
  draw(by_popularity, 1, 4, 3, three);
  CHECK_FALSE(equal(one, three));
  draw(by_popularity, 1, 5, 2, three);
  CHECK_FALSE(equal(one, three));
}

TEST_CASE("what negative sampling refuses", "[sampling][negative]") {
  Matrix<NodeId> draws(2, 2);
  CHECK_THROWS_AS(sampling::uniform_negatives({}, 1, 0, 0, draws.view()), ConfigError);
  CHECK_THROWS_AS(sampling::uniform_negatives({}, 1, 0, std::int64_t{1} << 31, draws.view()),
                  ConfigError);
  std::vector<std::int64_t> const zero{0, 0};
  std::vector<std::int64_t> const negative{3, -1};
  std::vector<std::int64_t> const good{3, 1};
  CHECK_THROWS_AS(PopularityNegatives(test::view_of(zero), 1), ConfigError);
  CHECK_THROWS_AS(PopularityNegatives({}, 1), ConfigError);
  CHECK_THROWS_WITH(PopularityNegatives(test::view_of(negative), 1),
                    Catch::Contains("-1 at position 1"));
  CHECK_THROWS_AS(PopularityNegatives(test::view_of(good), -1), ConfigError);
  CHECK_THROWS_AS(PopularityNegatives(test::view_of(good), std::nan("")), ConfigError);
}
