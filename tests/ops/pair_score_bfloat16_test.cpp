#include <catch2/catch.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/ops/pair_score/pair_score.hpp>
#include <relweave/ops/pair_score/reference.hpp>

#include <support/gradient_check.hpp>
#include <support/instruction_sets.hpp>
#include <support/random_graph.hpp>
#include <support/rounded.hpp>

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

constexpr double epsilon = std::numeric_limits<float>::epsilon();

constexpr std::int64_t a_count = 60;
constexpr std::int64_t b_count = 23;

/// Random pairs of rows of two tables; scores and their gradients in float. Rows repeat, and so do
/// whole pairs; one pair in three has gradient 0.
struct Case {
  Matrix<bfloat16> a, b;
  Matrix<float> grad_out;  // one row
  std::vector<NodeId> a_rows, b_rows;

  Case(std::int64_t pairs, std::int64_t d)
      : a(random_bfloat16(a_count, d, 70)),
        b(random_bfloat16(b_count, d, 71)),
        grad_out(random_matrix<float>(1, pairs, 72)),
        a_rows(random_indices(pairs, a_count, 73)),
        b_rows(random_indices(pairs, b_count, 74)) {
    for (std::int64_t p = 0; p < pairs; p += 3) {
      grad_out.data()[p] = 0;
    }
  }

  Matrix<float> forward(HostContext const& ctx) const {
    Matrix<float> out(1, grad_out.cols());
    pair_score<bfloat16>(ctx, a.view(), view_of(a_rows), b.view(), view_of(b_rows),
                         {out.data(), out.cols()});
    return out;
  }
  void backward(HostContext const& ctx, MatrixView<bfloat16> grad_a,
                MatrixView<bfloat16> grad_b) const {
    pair_score_backward<bfloat16>(ctx, a.view(), view_of(a_rows), b.view(), view_of(b_rows),
                                  {grad_out.data(), grad_out.cols()}, grad_a, grad_b);
  }
};

/// What the backward pass adds to; it starts from something, so that overwriting shows.
struct Gradients {
  Matrix<bfloat16> a, b;

  Gradients(HostContext const& ctx, Case const& c)
      : a(random_bfloat16(a_count, c.a.cols(), 75)), b(random_bfloat16(b_count, c.a.cols(), 76)) {
    c.backward(ctx, a.view(), b.view());
  }
};

}  // namespace

TEST_CASE("pair_score in bfloat16 scores in float and rounds gradients once",
          "[ops][pair_score][bfloat16]") {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const d = GENERATE(1, 3, 16, 37, 128, 259);
  auto const pairs = GENERATE(0, 7, 4000);
  Case const c(pairs, d);
  HostContext const ctx{.threads = 2, .isa = isa};

  auto const scores = c.forward(ctx);
  Gradients const got(ctx, c);

  auto const a = converted<double>(c.a), b = converted<double>(c.b),
             grad_out = converted<double>(c.grad_out);
  Matrix<double> expected(1, pairs);
  reference::pair_score<double>(a.view(), view_of(c.a_rows), b.view(), view_of(c.b_rows),
                                {expected.data(), pairs});
  auto grad_a = converted<double>(random_bfloat16(a_count, d, 75));
  auto grad_b = converted<double>(random_bfloat16(b_count, d, 76));
  reference::pair_score_backward<double>(a.view(), view_of(c.a_rows), b.view(), view_of(c.b_rows),
                                         {grad_out.data(), pairs}, grad_a.view(), grad_b.view());
  CAPTURE(isa_name(isa), d, pairs);
  CHECK(largest_difference(converted<double>(scores), expected) <= 2 * epsilon * d);
  CHECK(rounded_once(got.a, grad_a, epsilon * static_cast<double>(pairs)));
  CHECK(rounded_once(got.b, grad_b, epsilon * static_cast<double>(pairs)));
}

TEST_CASE("pair_score in bfloat16 keeps small gradients of a row in many pairs",
          "[ops][pair_score][bfloat16]") {
  // 256 + 1 is 256 in bfloat16: a sum that was rounded on its way would stay there.
  auto const rows = GENERATE(2, 100'000);
  auto ones = Matrix<float>::zeros(rows, 1);
  auto start = Matrix<float>::zeros(rows, 1);
  std::fill_n(ones.data(), 2, 1.0F);
  std::fill_n(start.data(), 2, 256.0F);
  auto const x = converted<bfloat16>(ones);
  auto grad_a = converted<bfloat16>(start), grad_b = converted<bfloat16>(start);
  std::vector<NodeId> from, to;
  for (int p = 0; p < 256; ++p) {
    from.insert(from.end(), {0, 1});
    to.insert(to.end(), {1, 0});
  }
  std::vector<float> const grad_out(512, 1.0F);

  pair_score_backward<bfloat16>({}, x.view(), view_of(from), x.view(), view_of(to),
                                view_of(grad_out), grad_a.view(), grad_b.view());

  for (auto const* grad : {&grad_a, &grad_b}) {
    CHECK(static_cast<float>(grad->view()(0, 0)) == 512);
    CHECK(static_cast<float>(grad->view()(1, 0)) == 512);
  }
}

TEST_CASE("pair_score in bfloat16 takes one table on both sides, strided",
          "[ops][pair_score][bfloat16]") {
  auto const from = random_indices(500, a_count, 77), to = random_indices(500, a_count, 78);
  auto const values = random_bfloat16(a_count, 45, 79);
  auto const grad_out = random_matrix<float>(1, 500, 80);
  StridedMatrix<bfloat16> x(values.view(), 3), grad(random_bfloat16(a_count, 45, 81).view(), 2);

  pair_score_backward<bfloat16>({}, x.view(), view_of(from), x.view(), view_of(to),
                                {grad_out.data(), 500}, grad.view(), grad.view());

  // the gradients of one side are rounded before those of the other are added
  auto one_side = converted<double>(random_bfloat16(a_count, 45, 81));
  auto other_side = Matrix<double>::zeros(a_count, 45);
  auto const wide = converted<double>(values), wide_grad = converted<double>(grad_out);
  reference::pair_score_backward<double>(wide.view(), view_of(from), wide.view(), view_of(to),
                                         {wide_grad.data(), 500}, one_side.view(),
                                         other_side.view());
  double largest = 0;
  for (std::int64_t i = 0; i < a_count * 45; ++i) {
    largest = std::max(largest, std::abs(one_side.data()[i]));
    one_side.data()[i] += other_side.data()[i];
  }
  CHECK(rounded_once(Matrix<bfloat16>::copy_of(grad.view()), one_side,
                     largest * rounding<bfloat16> + 500 * epsilon));
  CHECK(grad.intact());
}

TEST_CASE("pair_score in bfloat16 lets NaN through, but not from pairs with gradient zero",
          "[ops][pair_score][bfloat16]") {
  auto const a = converted<bfloat16>(Matrix<float>::from_rows({{std::nanf(""), 1}, {2, 3}}));
  auto const b = converted<bfloat16>(Matrix<float>::from_rows({{1, 2}}));
  std::vector<NodeId> const a_rows{0, 1}, b_rows{0, 0};
  std::vector<float> const grad_out{0, 2};
  Matrix<float> out(1, 2);
  auto grad_a = converted<bfloat16>(Matrix<float>::zeros(2, 2));
  auto grad_b = converted<bfloat16>(Matrix<float>::zeros(1, 2));

  pair_score<bfloat16>({}, a.view(), view_of(a_rows), b.view(), view_of(b_rows), {out.data(), 2});
  pair_score_backward<bfloat16>({}, a.view(), view_of(a_rows), b.view(), view_of(b_rows),
                                view_of(grad_out), grad_a.view(), grad_b.view());

  CHECK(std::isnan(out.data()[0]));
  CHECK(out.data()[1] == 8);
  CHECK(same_bits(converted<float>(grad_a), Matrix<float>::from_rows({{0, 0}, {2, 4}})));
  CHECK(same_bits(converted<float>(grad_b), Matrix<float>::from_rows({{4, 6}})));
}

TEST_CASE("pair_score in bfloat16 gives the same bits for any number of threads",
          "[ops][pair_score][bfloat16]") {
  Case const c(9000, 200);

  auto const scores = c.forward({.threads = 1});
  Gradients const one({.threads = 1}, c);

  for (int const threads : {2, 3}) {
    Gradients const more({.threads = threads}, c);
    CHECK(same_bits(scores, c.forward({.threads = threads})));
    CHECK(same_bits(one.a, more.a));
    CHECK(same_bits(one.b, more.b));
  }
}

TEST_CASE("pair_score in bfloat16 names what is wrong", "[ops][pair_score][bfloat16]") {
  Case c(4, 3);
  Matrix<bfloat16> wrong(7, 3), grad_a(a_count, 3), grad_b(b_count, 3);
  float scores[4];

  CHECK_THROWS_AS(pair_score<bfloat16>({}, c.a.view(), view_of(c.a_rows), c.b.view(),
                                       view_of(c.b_rows), {scores, 3}),
                  ShapeError);
  CHECK_THROWS_AS(c.backward({}, wrong.view(), grad_b.view()), ShapeError);
  CHECK_THROWS_AS(c.backward({}, grad_a.view(), wrong.view()), ShapeError);
  c.b_rows[2] = b_count;
  CHECK_THROWS_AS(c.backward({}, grad_a.view(), grad_b.view()), IndexError);
}
