#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include <relweave/loss/bpr.hpp>
#include <relweave/loss/dot_product.hpp>
#include <relweave/loss/margin.hpp>
#include <relweave/loss/sampled_softmax.hpp>

#include "support/gradient_check.hpp"
#include "support/instruction_sets.hpp"
#include "support/random_graph.hpp"
#include "support/rounded.hpp"

// bfloat16 is storage: a loss is that of the same scores as floats, bit by bit, and its gradients
// are those gradients, rounded once.

using namespace relweave;
using namespace relweave::test;

namespace {

enum class Kind { softmax, dot_product, margin, bpr };

struct Batch {
  Matrix<bfloat16> scores, positive;
  std::vector<NodeId> target;
  Matrix<float> log_q, weights;

  Batch(std::int64_t rows, std::int64_t n)
      : scores(random_bfloat16(rows, n, 1)),
        positive(random_bfloat16(1, rows, 2)),
        target(random_indices(rows, n, 3)),
        log_q(random_matrix<float>(1, n, 4)),
        weights(Matrix<float>::zeros(1, n)) {
    for (std::int64_t c = 0; c < n; ++c) {
      weights.data()[c] = 2 + log_q.data()[c];
    }
  }
};

template <typename T>
struct Result {
  double loss = 0;
  Matrix<T> grad, grad_positive;
};

/// `grad` of the result starts as the scores.
template <typename T>
Result<T> result_of(Kind kind, HostContext const& ctx, Batch const& batch, bool in_place = false) {
  auto const scores = converted<T>(batch.scores);
  auto const positives = converted<T>(batch.positive);
  auto const positive = positives.view().row(0);
  std::int64_t const rows = scores.rows();
  Result<T> result{.grad = converted<T>(batch.scores),
                   .grad_positive = converted<T>(Matrix<float>::zeros(1, rows))};
  MatrixView<T const> const from = in_place ? result.grad.view() : scores.view();
  MatrixView<T> const grad = result.grad.view();
  VectorView<T> const grad_positive = result.grad_positive.view().row(0);
  loss::Candidates<T> const candidates{.target = view_of(batch.target),
                                       .log_q = batch.log_q.view().row(0),
                                       .count = batch.weights.view().row(0)};
  switch (kind) {
    case Kind::softmax:
      result.loss = loss::sampled_softmax<T>(ctx, from, candidates,
                                             {.temperature = 0.3, .correction = 0.7}, {}, grad);
      break;
    case Kind::dot_product:
      result.loss =
          loss::dot_product<T>(ctx, from, candidates.target, batch.weights.view().row(0), grad);
      break;
    case Kind::margin:
      result.loss = loss::margin<T>(ctx, positive, from, {.margin = 0.25}, grad_positive, grad);
      break;
    case Kind::bpr:
      result.loss = loss::bpr<T>(ctx, positive, from, grad_positive, grad);
      break;
  }
  return result;
}

}  // namespace

TEST_CASE("losses in bfloat16 are those of the scores in float, gradients rounded once",
          "[loss][bfloat16]") {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const kind = GENERATE(Kind::softmax, Kind::dot_product, Kind::margin, Kind::bpr);
  auto const n = GENERATE(1, 2, 15, 16, 37, 400);
  bool const in_place = GENERATE(false, true);
  Batch const batch(40, n);
  HostContext const ctx{.threads = 2, .isa = isa};

  auto const got = result_of<bfloat16>(kind, ctx, batch, in_place);
  auto const expected = result_of<float>(kind, ctx, batch);

  CAPTURE(isa_name(isa), static_cast<int>(kind), n, in_place);
  CHECK(got.loss == expected.loss);
  CHECK(same_bits(got.grad, converted<bfloat16>(expected.grad)));
  CHECK(same_bits(got.grad_positive, converted<bfloat16>(expected.grad_positive)));
}

TEST_CASE("losses in bfloat16 show NaN and leave out -infinity", "[loss][bfloat16]") {
  auto const kind = GENERATE(Kind::softmax, Kind::dot_product, Kind::margin, Kind::bpr);
  Batch batch(4, 20);
  auto left_out = Batch(4, 20);
  batch.scores.view()(2, 7) = bfloat16(std::nanf(""));
  left_out.scores.view()(2, 7) = bfloat16(-std::numeric_limits<float>::infinity());
  left_out.target.assign(4, 0);

  CHECK(std::isnan(result_of<bfloat16>(kind, {}, batch).loss));
  auto const without = result_of<bfloat16>(Kind::softmax, {}, left_out);
  CHECK(std::isfinite(without.loss));
  CHECK(static_cast<float>(without.grad.view()(2, 7)) == 0);
}
