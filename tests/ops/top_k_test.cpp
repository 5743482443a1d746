#include <catch2/catch.hpp>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/ops/top_k/reference.hpp>
#include <relweave/ops/top_k/top_k.hpp>

#include <support/gradient_check.hpp>
#include <support/instruction_sets.hpp>
#include <support/random_graph.hpp>

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

template <typename T>
constexpr T infinity = std::numeric_limits<T>::infinity();

template <typename T>
struct Best {
  Matrix<NodeId> indices;
  Matrix<T> values;

  /// Starts from garbage: top_k overwrites.
  Best(std::int64_t rows, std::int64_t k)
      : indices(rows, k), values(random_matrix<T>(rows, k, 80)) {
    std::fill_n(indices.data(), rows * k, NodeId{77});
  }
};

template <typename T>
Best<T> best_of(HostContext const& ctx, MatrixView<T const> scores, std::int64_t k) {
  Best<T> best(scores.rows, k);
  top_k<T>(ctx, scores, best.indices.view(), best.values.view());
  return best;
}

template <typename T>
Best<T> reference_best(MatrixView<T const> scores, std::int64_t k) {
  Best<T> best(scores.rows, k);
  reference::top_k<T>(scores, best.indices.view(), best.values.view());
  return best;
}

template <typename T>
bool same(Best<T> const& a, Best<T> const& b) {
  return same_bits(a.indices, b.indices) && same_bits(a.values, b.values);
}

/// Scores with many ties: one of `levels` values; a tenth is -infinity or NaN.
template <typename T>
Matrix<T> tied_scores(std::int64_t rows, std::int64_t columns, std::uint32_t levels) {
  Matrix<T> scores(rows, columns);
  RandomStream random(81, Purpose::test, 1);
  std::generate_n(scores.data(), rows * columns, [&] {
    std::uint32_t const kind = random.below(20);
    auto const level = static_cast<T>(random.below(levels));
    return kind == 0 ? -infinity<T> : kind == 1 ? std::numeric_limits<T>::quiet_NaN() : level;
  });
  return scores;
}

}  // namespace

// ---- by hand, on the reference

TEST_CASE("reference top_k: ties to the lower column, nothing of -infinity and NaN",
          "[ops][top_k]") {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  auto const scores = Matrix<double>::from_rows(
      {{1, 3, 2, 3}, {nan, -infinity<double>, -5, nan}, {0, infinity<double>, nan, 0}});

  auto const best = reference_best<double>(scores.view(), 3);

  CHECK(same_bits(best.indices, Matrix<NodeId>::from_rows({{1, 3, 2}, {2, -1, -1}, {1, 0, 3}})));
  CHECK(same_bits(
      best.values,
      Matrix<double>::from_rows(
          {{3, 3, 2}, {-5, -infinity<double>, -infinity<double>}, {infinity<double>, 0, 0}})));
}

TEST_CASE("reference top_k_merge: later columns replace the worst, ties stay behind",
          "[ops][top_k]") {
  auto const first = Matrix<double>::from_rows({{4, 9}});
  auto const further = Matrix<double>::from_rows({{9, 1, 5}});
  auto best = reference_best<double>(first.view(), 3);

  reference::top_k_merge<double>(further.view(), 100, best.indices.view(), best.values.view());

  CHECK(same_bits(best.indices, Matrix<NodeId>::from_rows({{1, 100, 102}})));
  CHECK(same_bits(best.values, Matrix<double>::from_rows({{9, 9, 5}})));
}

// ---- backend against reference: the same bits

TEMPLATE_TEST_CASE("top_k agrees with its reference", "[ops][top_k]", float, double) {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const columns = GENERATE(0, 1, 63, 64, 65, 1000);  // blocks of 64 and remainders
  auto const k = GENERATE(1, 2, 10, 100, 1001);           // 1001: more than there are
  auto const levels = GENERATE(1U, 3U, 1'000'000U);
  auto const scores = tied_scores<TestType>(19, columns, levels);

  auto const best = best_of<TestType>({.threads = 2, .isa = isa}, scores.view(), k);

  CAPTURE(isa_name(isa), columns, k, levels);
  CHECK(same(best, reference_best<TestType>(scores.view(), k)));
}

TEST_CASE("top_k of sorted rows, ascending and descending", "[ops][top_k]") {
  Matrix<float> scores(2, 777);
  for (std::int64_t c = 0; c < 777; ++c) {
    scores.view()(0, c) = static_cast<float>(c);  // each score beats all before it
    scores.view()(1, c) = static_cast<float>(-c);
  }

  auto const best = best_of<float>({}, scores.view(), 4);

  CHECK(same_bits(best.indices, Matrix<NodeId>::from_rows({{776, 775, 774, 773}, {0, 1, 2, 3}})));
  CHECK(same_bits(best.values, Matrix<float>::from_rows({{776, 775, 774, 773}, {0, -1, -2, -3}})));
}

TEST_CASE("top_k ranks a wide row", "[ops][top_k]") {
  auto const scores = random_matrix<float>(1, 300'001, 82);

  auto const best = best_of<float>({}, scores.view(), 50);

  CHECK(same(best, reference_best<float>(scores.view(), 50)));
}

TEST_CASE("top_k takes infinities, but never -infinity and NaN", "[ops][top_k]") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  auto const k = GENERATE(1, 70);
  Matrix<float> scores(4, 130);
  std::fill_n(scores.view().row_data(0), 130, nan);
  std::fill_n(scores.view().row_data(1), 130, -infinity<float>);
  std::fill_n(scores.view().row_data(2), 130, nan);
  std::fill_n(scores.view().row_data(3), 130, infinity<float>);
  scores.view()(2, 90) = std::numeric_limits<float>::lowest();

  auto const best = best_of<float>({}, scores.view(), k);

  CHECK(same(best, reference_best<float>(scores.view(), k)));
  CHECK((best.indices.view()(0, 0) == -1 && best.values.view()(0, 0) == -infinity<float>));
  CHECK((best.indices.view()(1, 0) == -1 && best.values.view()(1, 0) == -infinity<float>));
  CHECK(best.indices.view()(2, 0) == 90);
  CHECK((best.indices.view()(3, 0) == 0 && best.indices.view()(3, k - 1) == k - 1));
}

TEST_CASE("top_k counts zeros of both signs as a tie", "[ops][top_k]") {
  auto const scores = Matrix<float>::from_rows({{-0.0F, 0.0F, -0.0F}});

  auto const best = best_of<float>({}, scores.view(), 3);

  CHECK(same_bits(best.indices, Matrix<NodeId>::from_rows({{0, 1, 2}})));
  CHECK(same_bits(best.values, scores));
}

TEST_CASE("top_k reads and writes strided rows only where they are, and takes no rows",
          "[ops][top_k]") {
  auto const dense = tied_scores<float>(40, 150, 9);
  StridedMatrix<float> scores(dense.view(), 7), values(40, 6, 3);
  StridedMatrix<NodeId> indices(40, 6, 2);

  top_k<float>({}, scores.view(), indices.view(), values.view());
  top_k<float>({}, {nullptr, 0, 150}, {nullptr, 0, 6}, MatrixView<float>{nullptr, 0, 6});

  auto const expected = best_of<float>({}, dense.view(), 6);
  CHECK(same_bits(Matrix<NodeId>::copy_of(indices.view()), expected.indices));
  CHECK(same_bits(Matrix<float>::copy_of(values.view()), expected.values));
  CHECK((indices.intact() && values.intact()));
}

// ---- algebra

TEMPLATE_TEST_CASE("top_k_merge block by block is top_k of the whole", "[ops][top_k]", float,
                   double) {
  auto const block = GENERATE(1, 17, 64, 100, 999, 5000);
  auto const k = GENERATE(1, 8, 300);
  auto const scores = tied_scores<TestType>(11, 1000, 50);
  auto const whole = best_of<TestType>({}, scores.view(), k);

  auto best = best_of<TestType>({}, scores.view().col_slice(0, std::min(block, 1000)), k);
  auto expected = reference_best<TestType>(scores.view().col_slice(0, std::min(block, 1000)), k);
  for (std::int64_t c = block; c < 1000; c += block) {
    auto const part = scores.view().col_slice(c, std::min<std::int64_t>(block, 1000 - c));
    top_k_merge<TestType>({.threads = 2}, part, static_cast<NodeId>(c), best.indices.view(),
                          best.values.view());
    reference::top_k_merge<TestType>(part, static_cast<NodeId>(c), expected.indices.view(),
                                     expected.values.view());
  }

  CAPTURE(block, k);
  CHECK(same(best, whole));
  CHECK(same(expected, whole));
}

TEST_CASE("top_k_merge numbers columns up to the last NodeId", "[ops][top_k]") {
  constexpr NodeId last = std::numeric_limits<NodeId>::max();
  auto const scores = Matrix<float>::from_rows({{1, 2}});
  Best<float> best(1, 2);
  top_k<float>({}, {nullptr, 1, 0}, best.indices.view(), best.values.view());

  top_k_merge<float>({}, scores.view(), last - 1, best.indices.view(), best.values.view());

  CHECK(same_bits(best.indices, Matrix<NodeId>::from_rows({{last, last - 1}})));
}

TEST_CASE("top_k follows a permutation of the columns and an increasing map of the scores",
          "[ops][top_k]") {
  auto const scores = random_matrix<double>(5, 200, 83);
  auto mirrored = Matrix<double>::copy_of(scores.view());
  auto mapped = Matrix<double>::copy_of(scores.view());
  for (std::int64_t r = 0; r < 5; ++r) {
    std::reverse(mirrored.view().row(r).begin(), mirrored.view().row(r).end());
  }
  std::for_each(mapped.data(), mapped.data() + 1000, [](double& x) { x = 8 * x - 3; });

  auto best = best_of<double>({}, scores.view(), 12);
  auto const of_mirrored = best_of<double>({}, mirrored.view(), 12);
  auto const of_mapped = best_of<double>({}, mapped.view(), 12);

  CHECK(same_bits(of_mapped.indices, best.indices));
  CHECK(same_bits(of_mirrored.values, best.values));
  std::for_each(best.indices.data(), best.indices.data() + 60, [](NodeId& i) { i = 199 - i; });
  CHECK(same_bits(of_mirrored.indices, best.indices));
}

TEST_CASE("top_k finds what a full sort finds", "[ops][top_k]") {
  auto const scores = random_matrix<float>(1, 500, 84);
  std::vector<std::pair<float, NodeId>> sorted;
  for (NodeId c = 0; c < 500; ++c) {
    sorted.emplace_back(-scores.view()(0, c), c);
  }
  std::sort(sorted.begin(), sorted.end());

  auto const best = best_of<float>({}, scores.view(), 500);

  for (std::int64_t j = 0; j < 500; ++j) {
    auto const [negative, column] = sorted[static_cast<std::size_t>(j)];
    CHECK((best.indices.view()(0, j) == column && best.values.view()(0, j) == -negative));
  }
}

// ---- gradients: a choice of columns has none; the values are scores, bit by bit

TEST_CASE("top_k's values are the scores at its indices", "[ops][top_k]") {
  auto const scores = tied_scores<double>(30, 90, 1000);

  auto const best = best_of<double>({}, scores.view(), 20);

  for (std::int64_t r = 0; r < 30; ++r) {
    for (std::int64_t j = 0; j < 20; ++j) {
      CHECK(best.values.view()(r, j) == scores.view()(r, best.indices.view()(r, j)));
    }
  }
}

// ---- errors

TEST_CASE("top_k names what is wrong", "[ops][top_k]") {
  auto const scores = random_matrix<float>(3, 8, 85);
  Matrix<NodeId> indices(3, 2), few(2, 2);
  Matrix<float> values(3, 2), wide(3, 4);

  CHECK_THROWS_AS(
      top_k<float>({}, scores.view(), {nullptr, 3, 0}, MatrixView<float>{nullptr, 3, 0}),
      ConfigError);
  CHECK_THROWS_WITH(
      top_k<float>({}, scores.view(), {nullptr, 3, 0}, MatrixView<float>{nullptr, 3, 0}),
      "top_k: k: got 0, expected at least 1");
  CHECK_THROWS_AS(top_k<float>({}, scores.view(), few.view(), values.view()), ShapeError);
  CHECK_THROWS_WITH(top_k<float>({}, scores.view(), few.view(), values.view()),
                    "top_k: indices: got shape (2, 2), expected shape (3, 2)");
  CHECK_THROWS_WITH(top_k<float>({}, scores.view(), indices.view(), wide.view()),
                    "top_k: values: got shape (3, 4), expected shape (3, 2)");
}

TEST_CASE("top_k_merge names what is wrong", "[ops][top_k]") {
  constexpr NodeId last = std::numeric_limits<NodeId>::max();
  auto const scores = random_matrix<float>(3, 8, 86);
  Best<float> best(3, 2);
  auto const run = [&](MatrixView<float const> from, NodeId first_column, std::int64_t k) {
    top_k_merge<float>({}, from, first_column, best.indices.view().col_slice(0, k),
                       best.values.view().col_slice(0, k));
  };

  CHECK_THROWS_AS(run(scores.view(), 0, 0), ConfigError);
  CHECK_THROWS_WITH(run(scores.view(), 0, 0), "top_k_merge: k: got 0, expected at least 1");
  CHECK_THROWS_AS(run(scores.view().row_slice(0, 2), 0, 2), ShapeError);
  CHECK_THROWS_WITH(run(scores.view().row_slice(0, 2), 0, 2),
                    "top_k_merge: indices: got shape (3, 2), expected shape (2, 2)");
  CHECK_THROWS_AS(run(scores.view(), -1, 2), IndexError);
  CHECK_THROWS_WITH(run(scores.view(), -1, 2),
                    "top_k_merge: scores: got columns in [-1, 7), expected columns in "
                    "[0, 2147483648)");
  CHECK_THROWS_AS(run(scores.view(), last, 2), IndexError);
  CHECK_THROWS_WITH(run(scores.view(), last, 2),
                    "top_k_merge: scores: got columns in [2147483647, 2147483655), expected "
                    "columns in [0, 2147483648)");
}

// ---- determinism

TEMPLATE_TEST_CASE("top_k gives the same bits for any number of threads", "[ops][top_k]", float,
                   double) {
  auto const scores = tied_scores<TestType>(100, 500, 30);

  auto const one = best_of<TestType>({.threads = 1}, scores.view(), 25);

  for (int const threads : {2, 3}) {
    CHECK(same(one, best_of<TestType>({.threads = threads}, scores.view(), 25)));
  }
}
