#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <relweave/loss/bpr.hpp>
#include <relweave/loss/dot_product.hpp>
#include <relweave/loss/margin.hpp>
#include <relweave/loss/sampled_softmax.hpp>

#include "support/gradient_check.hpp"
#include "support/instruction_sets.hpp"
#include "support/random_graph.hpp"

// The losses on each instruction set against plain loops in double.

using namespace relweave;
using namespace relweave::test;

namespace {

enum class Kind { softmax, dot_product, margin, bpr };

constexpr double temperature = 0.3;
constexpr double correction = 0.7;
constexpr double margin = 0.25;
constexpr double infinity = std::numeric_limits<double>::infinity();

/// A batch for all losses: `positive` is a column of its own for the pairwise ones.
template <typename T>
struct Batch {
  Matrix<T> scores, positive;
  std::vector<NodeId> target;
  std::vector<T> log_q, weights;

  Batch(std::int64_t rows, std::int64_t n)
      : scores(random_matrix<T>(rows, n, 1)),
        positive(random_matrix<T>(1, rows, 2)),
        target(random_indices(rows, n, 3)),
        log_q(static_cast<std::size_t>(n)),
        weights(static_cast<std::size_t>(n)) {
    auto const draws = random_matrix<T>(2, n, 4);
    for (std::size_t c = 0; c < log_q.size(); ++c) {
      log_q[c] = draws.data()[c];
      weights[c] = 1 + draws.data()[c + log_q.size()] / 2;
    }
  }
};

template <typename T>
struct Result {
  double loss = 0;
  Matrix<T> grad, grad_positive;
};

template <typename T>
double loss_of(Kind kind, HostContext const& ctx, Batch<T> const& batch, MatrixView<T const> scores,
               MatrixView<T> grad, VectorView<T> grad_positive) {
  auto const positive = batch.positive.view().row(0);
  switch (kind) {
    case Kind::softmax:
      return loss::sampled_softmax<T>(
          ctx, scores,
          {.target = view_of(batch.target), .log_q = view_of(batch.log_q), .count = {}},
          {.temperature = temperature, .correction = correction}, {}, grad);
    case Kind::dot_product:
      return loss::dot_product<T>(ctx, scores, view_of(batch.target), view_of(batch.weights), grad);
    case Kind::margin:
      return loss::margin<T>(ctx, positive, scores, {.margin = margin}, grad_positive, grad);
    default:
      return loss::bpr<T>(ctx, positive, scores, grad_positive, grad);
  }
}

template <typename T>
Result<T> result_of(Kind kind, HostContext const& ctx, Batch<T> const& batch) {
  std::int64_t const rows = batch.scores.rows();
  Result<T> result{.grad = Matrix<T>(rows, batch.scores.cols()),
                   .grad_positive = Matrix<T>::zeros(1, rows)};
  result.loss = loss_of<T>(kind, ctx, batch, batch.scores.view(), result.grad.view(),
                           result.grad_positive.view().row(0));
  return result;
}

/// A row of the softmax or of eq. 5.
template <typename T>
double expected_row(Kind kind, Batch<T> const& batch, std::int64_t b, std::vector<double>& grad) {
  auto const at = [&](std::size_t c) {
    return static_cast<double>(batch.scores.view()(b, static_cast<std::int64_t>(c)));
  };
  auto const target = static_cast<std::size_t>(batch.target[static_cast<std::size_t>(b)]);
  double sum = 0;
  double loss = 0;
  for (std::size_t c = 0; c < grad.size(); ++c) {
    if (kind == Kind::softmax) {
      grad[c] = std::exp(at(c) / temperature - correction * static_cast<double>(batch.log_q[c]));
      sum += grad[c];
    } else if (c != target) {
      grad[c] = static_cast<double>(batch.weights[c]);
      sum += grad[c];
      loss += grad[c] * at(c);
    }
  }
  if (kind == Kind::softmax) {
    loss = -std::log(grad[target] / sum);
    std::for_each(grad.begin(), grad.end(), [&](double& g) { g /= sum * temperature; });
    grad[target] -= 1 / temperature;
  } else {
    loss = (sum > 0 ? loss / sum : 0) - at(target);
    std::for_each(grad.begin(), grad.end(), [&](double& g) { g /= sum; });
    grad[target] = -1;
  }
  return loss;
}

template <typename T>
double expected_pairs(Kind kind, Batch<T> const& batch, std::int64_t b, std::vector<double>& grad) {
  double loss = 0;
  auto const n = static_cast<double>(grad.size());
  for (std::size_t c = 0; c < grad.size(); ++c) {
    double const d = static_cast<double>(batch.scores.view()(b, static_cast<std::int64_t>(c))) -
                     static_cast<double>(batch.positive.view()(0, b));
    loss += kind == Kind::margin ? std::max(0.0, d + margin) : std::log1p(std::exp(d));
    grad[c] = (kind == Kind::margin ? (d + margin > 0 ? 1 : 0) : 1 / (1 + std::exp(-d))) / n;
  }
  return loss / n;
}

template <typename T>
Result<T> expected_of(Kind kind, Batch<T> const& batch) {
  std::int64_t const rows = batch.scores.rows();
  bool const pairs = kind == Kind::margin || kind == Kind::bpr;
  Result<T> result{.grad = Matrix<T>(rows, batch.scores.cols()),
                   .grad_positive = Matrix<T>::zeros(1, rows)};
  for (std::int64_t b = 0; b < rows; ++b) {
    std::vector<double> grad(static_cast<std::size_t>(batch.scores.cols()));
    double const share = 1 / static_cast<double>(rows);
    result.loss +=
        share * (pairs ? expected_pairs(kind, batch, b, grad) : expected_row(kind, batch, b, grad));
    double sum = 0;
    for (std::size_t c = 0; c < grad.size(); ++c) {
      sum += grad[c];
      result.grad.view()(b, static_cast<std::int64_t>(c)) = static_cast<T>(share * grad[c]);
    }
    result.grad_positive.view()(0, b) = pairs ? static_cast<T>(-share * sum) : T{0};
  }
  return result;
}

/// One row of one pair each: log(1 + e^d) and its slope, unscaled.
template <typename T>
Result<T> single_bpr(Isa isa, T d) {
  T const positive[] = {0};
  Result<T> result{.grad = Matrix<T>(1, 1), .grad_positive = Matrix<T>(1, 1)};
  MatrixView<T const> const negative(&d, 1, 1);
  result.loss = loss::bpr<T>({.isa = isa}, {positive, 1}, negative,
                             result.grad_positive.view().row(0), result.grad.view());
  return result;
}

}  // namespace

TEMPLATE_TEST_CASE("each instruction set gives the losses and gradients of plain loops", "[loss]",
                   float, double) {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const n = GENERATE(1, 2, 7, 16, 37, 400);  // fewer than a vector, whole ones, remainders
  auto const kind = GENERATE(Kind::softmax, Kind::dot_product, Kind::margin, Kind::bpr);
  Batch<TestType> const batch(33, n);

  auto const result = result_of<TestType>(kind, {.threads = 2, .isa = isa}, batch);

  // Logits of up to 5 are rounded before their exponentials are taken.
  constexpr double eps = static_cast<double>(std::numeric_limits<TestType>::epsilon());
  auto const expected = expected_of<TestType>(kind, batch);
  CAPTURE(isa_name(isa), n, static_cast<int>(kind));
  CHECK(std::abs(result.loss - expected.loss) <= 16 * eps * std::max(1.0, expected.loss));
  CHECK(largest_difference(result.grad, expected.grad) <= 4 * eps);
  CHECK(largest_difference(result.grad_positive, expected.grad_positive) <= 4 * eps);
}

TEMPLATE_TEST_CASE("losses give the same bits for any number of threads, in place and in strides",
                   "[loss]", float, double) {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const kind = GENERATE(Kind::softmax, Kind::dot_product, Kind::margin, Kind::bpr);
  Batch<TestType> const batch(70, 53);
  StridedMatrix<TestType> strided(batch.scores.view(), 5);
  Matrix<TestType> grad_positive = Matrix<TestType>::zeros(1, 70);

  auto const one = result_of<TestType>(kind, {.threads = 1, .isa = isa}, batch);
  auto const two = result_of<TestType>(kind, {.threads = 2, .isa = isa}, batch);
  double const in_place = loss_of<TestType>(kind, {.threads = 3, .isa = isa}, batch, strided.view(),
                                            strided.view(), grad_positive.view().row(0));

  CAPTURE(isa_name(isa), static_cast<int>(kind));
  CHECK((one.loss == two.loss && one.loss == in_place));
  CHECK((same_bits(one.grad, two.grad) &&
         same_bits(one.grad, Matrix<TestType>::copy_of(strided.view()))));
  CHECK((same_bits(one.grad_positive, two.grad_positive) &&
         same_bits(one.grad_positive, grad_positive)));
  CHECK(strided.intact());
}

TEMPLATE_TEST_CASE("a NaN anywhere in a row makes every loss NaN", "[loss]", float, double) {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const kind = GENERATE(Kind::softmax, Kind::dot_product, Kind::margin, Kind::bpr);
  auto const column = GENERATE(0, 15, 31, 32, 35, 36);  // in whole vectors and in the remainder
  Batch<TestType> batch(3, 37);
  batch.scores.view()(1, column) = std::numeric_limits<TestType>::quiet_NaN();
  batch.target[1] = GENERATE(0, 36);  // sometimes the target itself

  auto const result = result_of<TestType>(kind, {.isa = isa}, batch);

  CAPTURE(isa_name(isa), static_cast<int>(kind), column);
  CHECK(std::isnan(result.loss));
}

TEMPLATE_TEST_CASE("a candidate of -infinity is left out of the softmax", "[loss][sampled_softmax]",
                   float, double) {
  auto const isa = GENERATE(from_range(instruction_sets()));
  Batch<TestType> batch(4, 37), without(4, 30);
  for (std::int64_t b = 0; b < 4; ++b) {
    batch.target[static_cast<std::size_t>(b)] = without.target[static_cast<std::size_t>(b)];
    for (std::int64_t c = 0; c < 37; ++c) {
      auto const at = static_cast<std::size_t>(c);
      batch.scores.view()(b, c) =
          c < 30 ? without.scores.view()(b, c) : static_cast<TestType>(-infinity);
      batch.log_q[at] = c < 30 ? without.log_q[at] : TestType{1};
    }
  }

  auto const result = result_of<TestType>(Kind::softmax, {.isa = isa}, batch);

  auto const expected = result_of<TestType>(Kind::softmax, {.isa = isa}, without);
  CAPTURE(isa_name(isa));
  CHECK(result.loss == Approx(expected.loss).epsilon(1e-6));
  auto const left_out = result.grad.view().col_slice(30, 7);
  for (std::int64_t b = 0; b < 4; ++b) {
    CHECK(std::all_of(left_out.row(b).begin(), left_out.row(b).end(),
                      [](TestType g) { return g == 0; }));
  }
}

TEMPLATE_TEST_CASE("the softmax of extreme scores is what its formula says", "[loss]", float,
                   double) {
  auto const isa = GENERATE(from_range(instruction_sets()));
  std::vector<NodeId> const target{0};
  std::vector<TestType> const log_q(3, 0);
  auto const softmax = [&](double own, double other, double divisor) {
    auto const scores = Matrix<TestType>::from_rows(
        {{static_cast<TestType>(own), static_cast<TestType>(other), 0}});
    Result<TestType> result{.grad = Matrix<TestType>(1, 3)};
    result.loss = loss::sampled_softmax<TestType>(
        {.isa = isa}, scores.view(),
        {.target = view_of(target), .log_q = view_of(log_q), .count = {}}, {.temperature = divisor},
        {}, result.grad.view());
    return result;
  };

  auto const best = softmax(1e30, -1e30, 0.05);
  auto const worst = softmax(-1e30, 1e30, 0.05);

  CAPTURE(isa_name(isa));
  CHECK(best.loss == 0);
  CHECK(same_bits(best.grad, Matrix<TestType>::zeros(1, 3)));
  CHECK(worst.loss == Approx(4e31));
  CHECK((worst.grad.view()(0, 0) == Approx(-20) && worst.grad.view()(0, 1) == Approx(20)));
  CHECK(softmax(-infinity, 1, 0.05).loss == infinity);
  CHECK(std::isnan(softmax(1, infinity, 0.05).loss));
}

TEMPLATE_TEST_CASE("a target without others has no loss and no gradient", "[loss][sampled_softmax]",
                   float, double) {
  auto const isa = GENERATE(from_range(instruction_sets()));
  Batch<TestType> const batch(41, 1);

  auto const result = result_of<TestType>(Kind::softmax, {.isa = isa}, batch);

  CAPTURE(isa_name(isa));
  CHECK(result.loss == 0);
  CHECK(largest_difference(result.grad, Matrix<TestType>::zeros(41, 1)) == 0);
}

TEST_CASE("the softmax in float is right to its last places, as far as a float reaches",
          "[loss][sampled_softmax]") {
  auto const isa = GENERATE(from_range(instruction_sets()));
  constexpr std::int64_t n = 20'001;
  Matrix<float> scores(1, n), grad(1, n);
  std::vector<NodeId> const target{0};
  std::vector<float> const log_q(static_cast<std::size_t>(n), 0.0F);
  double sum = 0;
  for (std::int64_t c = 0; c < n; ++c) {
    scores.view()(0, c) = -100.0F * static_cast<float>(c) / static_cast<float>(n);
    sum += std::exp(static_cast<double>(scores.view()(0, c)));
  }

  loss::sampled_softmax<float>({.isa = isa}, scores.view(),
                               {.target = view_of(target), .log_q = view_of(log_q), .count = {}},
                               {.temperature = 1}, {}, grad.view());

  double largest = 0;
  for (std::int64_t c = 1; c < n; ++c) {
    double const e = std::exp(static_cast<double>(scores.view()(0, c)));
    if (e / sum > static_cast<double>(std::numeric_limits<float>::min())) {
      largest = std::max(largest, std::abs(static_cast<double>(grad.view()(0, c)) * sum / e - 1));
    } else {
      CHECK(grad.view()(0, c) <= std::numeric_limits<float>::min());
    }
  }
  CAPTURE(isa_name(isa));
  CHECK(largest < 3 * static_cast<double>(std::numeric_limits<float>::epsilon()));
}

TEMPLATE_TEST_CASE("BPR is right to its last places, small and large differences included",
                   "[loss][bpr]", float, double) {
  auto const isa = GENERATE(from_range(instruction_sets()));
  constexpr double eps = static_cast<double>(std::numeric_limits<TestType>::epsilon());
  double largest = 0;

  for (double d = -86; d < 87; d += 0.0371) {
    auto const x = static_cast<TestType>(d);
    auto const result = single_bpr<TestType>(isa, x);
    auto const exact = static_cast<long double>(x);
    auto const loss = static_cast<double>(std::log1p(std::exp(exact)));
    auto const slope = static_cast<double>(1 / (1 + std::exp(-exact)));
    largest = std::max({largest, std::abs(result.loss / loss - 1),
                        std::abs(static_cast<double>(result.grad.data()[0]) / slope - 1)});
  }

  CAPTURE(isa_name(isa));
  CHECK(largest < 4 * eps);
  CHECK(single_bpr<TestType>(isa, TestType{0}).loss == Approx(std::log(2.0)));
  CHECK(single_bpr<TestType>(isa, static_cast<TestType>(1e30)).loss == Approx(1e30));
  CHECK(single_bpr<TestType>(isa, static_cast<TestType>(-1e30)).loss == 0);
  CHECK(single_bpr<TestType>(isa, static_cast<TestType>(infinity)).loss == infinity);
  CHECK(single_bpr<TestType>(isa, static_cast<TestType>(-infinity)).grad.data()[0] == 0);
}
