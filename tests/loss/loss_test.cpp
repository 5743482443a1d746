#include <catch2/catch.hpp>

#include <cmath>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/loss/bpr.hpp>
#include <relweave/loss/dot_product.hpp>
#include <relweave/loss/margin.hpp>
#include <relweave/loss/sampled_softmax.hpp>

#include "support/gradient_check.hpp"
#include "support/random_graph.hpp"

using namespace relweave;

namespace {

template <typename Loss>
void check_pairwise_gradient(Loss const& loss) {
  auto positive = test::random_matrix<double>(1, 6, 1);
  auto negative = test::random_matrix<double>(6, 4, 2);
  Matrix<double> grad_positive(1, 6), grad_negative(6, 4);
  auto const value = [&] {
    return loss(VectorView<double const>(positive.data(), 6), negative.view(),
                VectorView<double>(grad_positive.data(), 6), grad_negative.view());
  };

  auto const expected_positive = test::numerical_gradient(positive.view(), value);
  auto const expected_negative = test::numerical_gradient(negative.view(), value);
  value();

  CHECK(test::largest_difference(grad_positive, expected_positive) < 1e-9);
  CHECK(test::largest_difference(grad_negative, expected_negative) < 1e-9);
}

}  // namespace

TEST_CASE("the margin loss is the mean hinge of eq. 4", "[loss][margin]") {
  auto const negative = Matrix<double>::from_rows({{0.5, -1.0}, {0.0, 0.9}});
  double const positive[] = {0.4, 0.8};
  double grad_positive[2];
  Matrix<double> grad(2, 2);

  double const loss = loss::margin<double>(HostContext{}, {positive, 2}, negative.view(),
                                           {.margin = 0.3}, {grad_positive, 2}, grad.view());

  CHECK(loss == Approx((0.4 + 0 + 0 + 0.4) / 4));
  CHECK(grad.view()(0, 0) == 0.25);
  CHECK(grad.view()(0, 1) == 0);
  CHECK(grad_positive[0] == -0.25);
  check_pairwise_gradient([](auto p, auto n, auto gp, auto gn) {
    return loss::margin<double>(HostContext{}, p, n, {.margin = 0.3}, gp, gn);
  });
}

TEST_CASE("BPR is log(2) for equal scores and stays finite for extreme ones", "[loss][bpr]") {
  auto const negative = Matrix<double>::from_rows({{0.5}, {800.0}, {-800.0}});
  double const positive[] = {0.5, 0.0, 0.0};
  double grad_positive[3];
  Matrix<double> grad(3, 1);

  double const loss = loss::bpr<double>(HostContext{}, {positive, 3}, negative.view(),
                                        {grad_positive, 3}, grad.view());

  CHECK(loss == Approx((std::log(2.0) + 800.0 + 0.0) / 3));
  CHECK(grad.view()(1, 0) == Approx(1.0 / 3));
  check_pairwise_gradient([](auto p, auto n, auto gp, auto gn) {
    return loss::bpr<double>(HostContext{}, p, n, gp, gn);
  });
}

TEST_CASE("the sampled softmax equals the B x B formulation with duplicates masked",
          "[loss][sampled_softmax]") {
  // A batch of 6 whose targets are items 0, 2, 0, 1, 2, 0.
  std::vector<NodeId> const target{0, 2, 0, 1, 2, 0};
  std::vector<double> const count{3, 1, 2};
  std::vector<double> const log_q{std::log(0.6), std::log(0.1), std::log(0.3)};
  auto const scores = test::random_matrix<double>(6, 3, 4);
  Matrix<double> grad(6, 3);
  double const temperature = 0.2;

  double const loss =
      loss::sampled_softmax<double>(HostContext{}, scores.view(),
                                    {.target = test::view_of(target),
                                     .log_q = test::view_of(log_q),
                                     .count = test::view_of(count)},
                                    {.temperature = temperature, .correction = 1}, {}, grad.view());

  double expected = 0;
  for (std::size_t b = 0; b < 6; ++b) {
    double sum = 0;
    double own = 0;
    for (std::size_t c = 0; c < 6; ++c) {
      if (c != b && target[c] == target[b]) {
        continue;  // another occurrence of the positive is not a negative
      }
      auto const item = static_cast<std::size_t>(target[c]);
      double const logit =
          scores.view()(static_cast<std::int64_t>(b), target[c]) / temperature - log_q[item];
      sum += std::exp(logit);
      own = c == b ? logit : own;
    }
    expected += (std::log(sum) - own) / 6;
  }
  CHECK(loss == Approx(expected).epsilon(1e-12));
}

TEST_CASE("gradients of the sampled softmax match central differences", "[loss][sampled_softmax]") {
  std::vector<NodeId> const target{0, 3, 1, 3, 2};
  std::vector<double> const count{1, 1, 1, 2};
  std::vector<double> const log_q{-1.0, -2.0, -0.5, -3.0};
  std::vector<double> const weights{1, 0.5, 2, 0, 1};
  auto scores = test::random_matrix<double>(5, 4, 6);
  Matrix<double> grad(5, 4);
  auto const value = [&] {
    return loss::sampled_softmax<double>(HostContext{}, scores.view(),
                                         {.target = test::view_of(target),
                                          .log_q = test::view_of(log_q),
                                          .count = test::view_of(count)},
                                         {.temperature = 0.3, .correction = 0.7},
                                         test::view_of(weights), grad.view());
  };

  auto const expected = test::numerical_gradient(scores.view(), value);
  value();

  CHECK(test::largest_difference(grad, expected) < 1e-8);
}

TEST_CASE("the correction lowers popular items' logits in training, so it raises their scores",
          "[loss][sampled_softmax]") {
  // Two negatives with equal scores, one of them sampled nine times as often.
  std::vector<NodeId> const target{0};
  std::vector<double> const log_q{std::log(0.1), std::log(0.81), std::log(0.09)};
  auto const scores = Matrix<double>::from_rows({{0.0, 0.0, 0.0}});
  Matrix<double> with(1, 3), without(1, 3);
  auto const push = [&](double correction, Matrix<double>& grad) {
    loss::sampled_softmax<double>(
        HostContext{}, scores.view(),
        {.target = test::view_of(target), .log_q = test::view_of(log_q), .count = {}},
        {.temperature = 1, .correction = correction}, {}, grad.view());
  };

  push(1, with);
  push(0, without);

  // The gradient pushes the score down; the corrected loss pushes the popular item nine times less.
  CHECK(without.view()(0, 1) == Approx(without.view()(0, 2)));
  CHECK(with.view()(0, 2) == Approx(9 * with.view()(0, 1)));
}

TEST_CASE("eq. 5 is the weighted mean of negatives minus the positive", "[loss][dot_product]") {
  std::vector<NodeId> const target{1, 0};
  std::vector<double> const weights{1, 3, 0.5};
  auto scores = Matrix<double>::from_rows({{0.1, 0.9, -0.3}, {0.2, 0.4, 0.6}});
  Matrix<double> grad(2, 3);
  auto const value = [&] {
    return loss::dot_product<double>(HostContext{}, scores.view(), test::view_of(target),
                                     test::view_of(weights), grad.view());
  };

  double const loss = value();
  auto const expected_gradient = test::numerical_gradient(scores.view(), value);
  value();

  double const first = (0.1 * 1 - 0.3 * 0.5) / 1.5 - 0.9;
  double const second = (0.4 * 3 + 0.6 * 0.5) / 3.5 - 0.2;
  CHECK(loss == Approx((first + second) / 2));
  CHECK(test::largest_difference(grad, expected_gradient) < 1e-9);
}

TEST_CASE("losses give the same bits for any number of threads and refuse bad input", "[loss]") {
  auto const scores = test::random_matrix<float>(300, 50, 8);
  auto const target = test::random_indices(300, 50, 9);
  std::vector<float> const log_q(50, -4.0F);
  loss::Candidates<float> const candidates{
      .target = test::view_of(target), .log_q = test::view_of(log_q), .count = {}};
  Matrix<float> one(300, 50), two(300, 50);

  double const a = loss::sampled_softmax<float>(HostContext{.threads = 1}, scores.view(),
                                                candidates, {}, {}, one.view());
  double const b = loss::sampled_softmax<float>(HostContext{.threads = 3}, scores.view(),
                                                candidates, {}, {}, two.view());

  CHECK(a == b);
  CHECK(test::same_bits(one, two));
  CHECK_THROWS_AS(loss::sampled_softmax<float>(HostContext{}, scores.view(), candidates,
                                               {.temperature = 0}, {}, one.view()),
                  ConfigError);
  std::vector<NodeId> const outside(300, 50);
  CHECK_THROWS_AS(
      loss::sampled_softmax<float>(
          HostContext{}, scores.view(),
          {.target = test::view_of(outside), .log_q = test::view_of(log_q), .count = {}}, {}, {},
          one.view()),
      IndexError);
  std::vector<float> const negative(50, -1.0F);
  CHECK_THROWS_AS(loss::dot_product<float>(HostContext{}, scores.view(), test::view_of(target),
                                           test::view_of(negative), one.view()),
                  ConfigError);
}

TEST_CASE("losses show NaN scores and refuse what has no meaning", "[loss]") {
  auto negative = Matrix<double>::from_rows({{0.5, std::nan("")}});
  double const positive[] = {0.4};
  double grad_positive[1];
  Matrix<double> grad(1, 2);
  std::vector<double> const ones(2, 1.0), zero_count{1.0, 0.0};
  std::vector<NodeId> const target{0};
  VectorView<double const> const p{positive, 1};
  VectorView<double> const gp{grad_positive, 1};
  auto const n = negative.view();
  auto const softmax = [&](std::vector<double> const& count, std::vector<double> const& log_q,
                           loss::SampledSoftmaxParams const& params = {},
                           std::vector<double> const& row_weights = {1.0}) {
    return loss::sampled_softmax<double>(HostContext{}, n,
                                         {.target = test::view_of(target),
                                          .log_q = test::view_of(log_q),
                                          .count = test::view_of(count)},
                                         params, test::view_of(row_weights), grad.view());
  };

  CHECK(std::isnan(loss::margin<double>(HostContext{}, p, n, {}, gp, grad.view())));
  CHECK(std::isnan(loss::bpr<double>(HostContext{}, p, n, gp, grad.view())));
  CHECK(std::isnan(loss::dot_product<double>(HostContext{}, n, test::view_of(target),
                                             test::view_of(ones), grad.view())));
  CHECK(std::isnan(softmax(ones, ones)));
  CHECK_THROWS_WITH(softmax(zero_count, ones), Catch::Contains("candidates.count"));
  CHECK_THROWS_WITH(softmax(ones, {0.0, -HUGE_VAL}), Catch::Contains("-inf at position 1"));
  CHECK_THROWS_WITH(softmax(ones, ones, {.temperature = HUGE_VAL}), Catch::Contains("temperature"));
  CHECK_THROWS_WITH(softmax(ones, ones, {.correction = std::nan("")}),
                    Catch::Contains("correction"));
  CHECK_THROWS_WITH(softmax(ones, ones, {}, {-1.0}), Catch::Contains("row_weights: got -1"));
  CHECK_THROWS_WITH(softmax(ones, ones, {}, {0.0}), Catch::Contains("positive total weight"));
  CHECK_THROWS_AS(loss::margin<double>(HostContext{}, p, n, {.margin = HUGE_VAL}, gp, grad.view()),
                  ConfigError);
  CHECK_THROWS_AS(loss::bpr<double>(HostContext{}, p, MatrixView<double>{nullptr, 1, 0}, gp,
                                    MatrixView<double>{nullptr, 1, 0}),
                  ShapeError);
  CHECK_THROWS_AS(loss::dot_product<double>(HostContext{}, MatrixView<double>{nullptr, 0, 2}, {},
                                            test::view_of(ones), MatrixView<double>{nullptr, 0, 2}),
                  ShapeError);
}
