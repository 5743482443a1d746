#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <limits>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/ops/pair_score/pair_score.hpp>
#include <relweave/ops/pair_score/reference.hpp>

#include <support/gradient_check.hpp>
#include <support/instruction_sets.hpp>
#include <support/random_graph.hpp>

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

constexpr std::int64_t a_count = 60;
constexpr std::int64_t b_count = 23;

/// Random pairs of rows of two tables. Rows repeat, and so do whole pairs; one pair in three has
/// gradient 0.
template <typename T>
struct Case {
  Matrix<T> a, b, grad_out;  // grad_out: one row
  std::vector<NodeId> a_rows, b_rows;

  Case(std::int64_t pairs, std::int64_t d)
      : a(random_matrix<T>(a_count, d, 70)),
        b(random_matrix<T>(b_count, d, 71)),
        grad_out(random_matrix<T>(1, pairs, 72)),
        a_rows(random_indices(pairs, a_count, 73)),
        b_rows(random_indices(pairs, b_count, 74)) {
    for (std::int64_t p = 0; p < pairs; p += 3) {
      grad_out.data()[p] = 0;
    }
  }

  VectorView<T const> gradient() const { return {grad_out.data(), grad_out.cols()}; }

  Matrix<T> forward(HostContext const& ctx) const {
    Matrix<T> out(1, grad_out.cols());
    pair_score<T>(ctx, a.view(), view_of(a_rows), b.view(), view_of(b_rows),
                  {out.data(), out.cols()});
    return out;
  }
};

/// What the backward pass adds to; it starts from something, so that overwriting shows.
template <typename T>
struct Gradients {
  Matrix<T> a, b;

  explicit Gradients(std::int64_t d)
      : a(random_matrix<T>(a_count, d, 75)), b(random_matrix<T>(b_count, d, 76)) {}
};

template <typename T>
Gradients<T> backward(HostContext const& ctx, Case<T> const& c) {
  Gradients<T> to(c.a.cols());
  pair_score_backward<T>(ctx, c.a.view(), view_of(c.a_rows), c.b.view(), view_of(c.b_rows),
                         c.gradient(), to.a.view(), to.b.view());
  return to;
}

template <typename T>
double tolerance(std::int64_t length) {
  return 2 * static_cast<double>(std::numeric_limits<T>::epsilon()) * static_cast<double>(length);
}

}  // namespace

// ---- by hand, on the reference

TEST_CASE("reference pair_score: three pairs, one of them twice", "[ops][pair_score]") {
  auto const a = Matrix<double>::from_rows({{1, 2}, {3, -1}});
  auto const b = Matrix<double>::from_rows({{10, 1}, {0, 5}, {2, 2}});
  std::vector<NodeId> const a_rows{0, 1, 0};
  std::vector<NodeId> const b_rows{1, 2, 1};
  std::vector<double> const grad_out{1, 10, 100};
  Matrix<double> out(1, 3);
  auto grad_a = Matrix<double>::from_rows({{1, 1}, {1, 1}});
  auto grad_b = Matrix<double>::zeros(3, 2);

  reference::pair_score<double>(a.view(), view_of(a_rows), b.view(), view_of(b_rows),
                                {out.data(), 3});
  reference::pair_score_backward<double>(a.view(), view_of(a_rows), b.view(), view_of(b_rows),
                                         view_of(grad_out), grad_a.view(), grad_b.view());

  CHECK(same_bits(out, Matrix<double>::from_rows({{10, 4, 10}})));
  CHECK(same_bits(grad_a, Matrix<double>::from_rows({{1, 506}, {21, 21}})));
  CHECK(same_bits(grad_b, Matrix<double>::from_rows({{0, 0}, {101, 202}, {30, -10}})));
}

// ---- backend against reference

TEMPLATE_TEST_CASE("pair_score agrees with its reference", "[ops][pair_score]", float, double) {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const d = GENERATE(0, 1, 7, 16, 67, 130, 259);  // 67: a tile of columns and a remainder
  auto const pairs = GENERATE(0, 1, 2500);             // 2500: more than two tasks
  Case<TestType> const c(pairs, d);

  auto const out = c.forward({.threads = 2, .isa = isa});
  auto const gradients = backward<TestType>({.threads = 2, .isa = isa}, c);

  Matrix<TestType> expected(1, pairs);
  reference::pair_score<TestType>(c.a.view(), view_of(c.a_rows), c.b.view(), view_of(c.b_rows),
                                  {expected.data(), pairs});
  Gradients<TestType> expected_gradients(d);
  reference::pair_score_backward<TestType>(
      c.a.view(), view_of(c.a_rows), c.b.view(), view_of(c.b_rows), c.gradient(),
      expected_gradients.a.view(), expected_gradients.b.view());
  CAPTURE(isa_name(isa), d, pairs);
  CHECK(largest_difference(out, expected) <= tolerance<TestType>(d));
  CHECK(largest_difference(gradients.a, expected_gradients.a) <= tolerance<TestType>(70));
  CHECK(largest_difference(gradients.b, expected_gradients.b) <= tolerance<TestType>(150));
}

TEST_CASE("pair_score handles a hub: one row in every pair", "[ops][pair_score]") {
  Case<float> c(4000, 33);
  std::fill(c.a_rows.begin(), c.a_rows.end(), 5);

  auto const gradients = backward<float>({.threads = 2}, c);

  Gradients<float> expected(33);
  reference::pair_score_backward<float>(c.a.view(), view_of(c.a_rows), c.b.view(),
                                        view_of(c.b_rows), c.gradient(), expected.a.view(),
                                        expected.b.view());
  CHECK(largest_difference(gradients.a, expected.a) <= tolerance<float>(4000));
  CHECK(largest_difference(gradients.b, expected.b) <= tolerance<float>(250));
}

TEST_CASE("pair_score reads and writes strided rows only where they are", "[ops][pair_score]") {
  Case<float> const c(500, 45);
  Gradients<float> const before(45);
  StridedMatrix<float> a(c.a.view(), 3), b(c.b.view(), 1);
  StridedMatrix<float> grad_a(before.a.view(), 2), grad_b(before.b.view(), 5);
  Matrix<float> out(1, 500);

  pair_score<float>({}, a.view(), view_of(c.a_rows), b.view(), view_of(c.b_rows),
                    {out.data(), 500});
  pair_score_backward<float>({}, a.view(), view_of(c.a_rows), b.view(), view_of(c.b_rows),
                             c.gradient(), grad_a.view(), grad_b.view());

  auto const expected = backward<float>({}, c);
  CHECK(same_bits(out, c.forward({})));
  CHECK(same_bits(Matrix<float>::copy_of(grad_a.view()), expected.a));
  CHECK(same_bits(Matrix<float>::copy_of(grad_b.view()), expected.b));
  CHECK((grad_a.intact() && grad_b.intact()));
}

TEMPLATE_TEST_CASE("pair_score takes one table on both sides, gradients too", "[ops][pair_score]",
                   float, double) {
  auto const isa = GENERATE(from_range(instruction_sets()));
  Case<TestType> c(700, 70);
  c.b_rows = random_indices(700, a_count, 77);
  std::copy_n(c.a_rows.begin(), 100, c.b_rows.begin());  // a row with itself: its squared norm
  auto grad = random_matrix<TestType>(a_count, 70, 78);
  auto const view = c.a.view();
  Matrix<TestType> out(1, 700);

  pair_score<TestType>({.isa = isa}, view, view_of(c.a_rows), view, view_of(c.b_rows),
                       {out.data(), 700});
  pair_score_backward<TestType>({.threads = 2, .isa = isa}, view, view_of(c.a_rows), view,
                                view_of(c.b_rows), c.gradient(), grad.view(), grad.view());

  auto expected = random_matrix<TestType>(a_count, 70, 78);
  auto other = Matrix<TestType>::zeros(a_count, 70);
  reference::pair_score_backward<TestType>(view, view_of(c.a_rows), view, view_of(c.b_rows),
                                           c.gradient(), expected.view(), other.view());
  auto same = random_matrix<TestType>(a_count, 70, 78);
  reference::pair_score_backward<TestType>(view, view_of(c.a_rows), view, view_of(c.b_rows),
                                           c.gradient(), same.view(), same.view());
  std::transform(expected.data(), expected.data() + a_count * 70, other.data(), expected.data(),
                 std::plus<>{});
  CHECK(largest_difference(grad, expected) <= tolerance<TestType>(60));
  CHECK(largest_difference(same, expected) <= tolerance<TestType>(2));
  for (std::int64_t p = 0; p < 100; ++p) {
    auto const row = view.row_slice(c.a_rows[static_cast<std::size_t>(p)], 1);
    CHECK(out.view()(0, p) == Approx(inner_product<TestType>(row, row)));
  }
}

TEST_CASE("pair_score lets NaN through, but not from pairs with gradient zero",
          "[ops][pair_score]") {
  auto const a = Matrix<float>::from_rows({{1, 2}, {std::numeric_limits<float>::quiet_NaN(), 1}});
  auto const b = Matrix<float>::from_rows({{3, 4}});
  std::vector<NodeId> const a_rows{0, 1};
  std::vector<NodeId> const b_rows{0, 0};
  std::vector<float> const grad_out{1, 0};
  Matrix<float> out(1, 2);
  auto grad_a = Matrix<float>::zeros(2, 2), grad_b = Matrix<float>::zeros(1, 2);

  pair_score<float>({}, a.view(), view_of(a_rows), b.view(), view_of(b_rows), {out.data(), 2});
  pair_score_backward<float>({}, a.view(), view_of(a_rows), b.view(), view_of(b_rows),
                             view_of(grad_out), grad_a.view(), grad_b.view());

  CHECK(out.view()(0, 0) == 11);
  CHECK(out.view()(0, 1) != out.view()(0, 1));
  CHECK(same_bits(grad_a, Matrix<float>::from_rows({{3, 4}, {0, 0}})));
  CHECK(same_bits(grad_b, Matrix<float>::from_rows({{1, 2}})));
}

// ---- algebra

TEST_CASE("pair_score is symmetric and follows a permutation of the pairs", "[ops][pair_score]") {
  Case<double> const c(300, 37);
  auto a_rows = c.a_rows, b_rows = c.b_rows;
  std::reverse(a_rows.begin(), a_rows.end());
  std::reverse(b_rows.begin(), b_rows.end());
  Matrix<double> swapped(1, 300), reversed(1, 300);

  pair_score<double>({}, c.b.view(), view_of(c.b_rows), c.a.view(), view_of(c.a_rows),
                     {swapped.data(), 300});
  pair_score<double>({}, c.a.view(), view_of(a_rows), c.b.view(), view_of(b_rows),
                     {reversed.data(), 300});

  auto const out = c.forward({});
  std::reverse(reversed.data(), reversed.data() + 300);
  CHECK(same_bits(swapped, out));
  CHECK(same_bits(reversed, out));
}

TEST_CASE("pair_score is bilinear: its gradients add up to the score, once from each side",
          "[ops][pair_score]") {
  Case<double> const c(400, 21);
  auto grad_a = Matrix<double>::zeros(a_count, 21);
  auto grad_b = Matrix<double>::zeros(b_count, 21);

  pair_score_backward<double>({}, c.a.view(), view_of(c.a_rows), c.b.view(), view_of(c.b_rows),
                              c.gradient(), grad_a.view(), grad_b.view());

  double const score = inner_product<double>(c.grad_out.view(), c.forward({}).view());
  CHECK(inner_product<double>(grad_a.view(), c.a.view()) == Approx(score));
  CHECK(inner_product<double>(grad_b.view(), c.b.view()) == Approx(score));
}

// ---- gradients

TEST_CASE("pair_score's gradients match central differences and are added", "[ops][pair_score]") {
  Case<double> c(90, 3);
  auto const loss = [&] { return inner_product<double>(c.grad_out.view(), c.forward({}).view()); };
  Gradients<double> expected(3);
  auto const numerical_a = numerical_gradient(c.a.view(), loss);
  auto const numerical_b = numerical_gradient(c.b.view(), loss);
  std::transform(expected.a.data(), expected.a.data() + a_count * 3, numerical_a.data(),
                 expected.a.data(), std::plus<>{});
  std::transform(expected.b.data(), expected.b.data() + b_count * 3, numerical_b.data(),
                 expected.b.data(), std::plus<>{});

  auto const got = backward<double>({}, c);

  CHECK(largest_difference(got.a, expected.a) < 1e-8);
  CHECK(largest_difference(got.b, expected.b) < 1e-8);
}

// ---- errors

TEST_CASE("pair_score names what is wrong", "[ops][pair_score]") {
  Case<float> c(4, 3);
  Matrix<float> out(1, 5), narrow(b_count, 2);
  auto const run = [&](MatrixView<float const> b, std::int64_t scores) {
    pair_score<float>({}, c.a.view(), view_of(c.a_rows), b, view_of(c.b_rows),
                      {out.data(), scores});
  };
  CHECK_NOTHROW(run(c.b.view(), 4));

  CHECK_THROWS_AS(run(narrow.view(), 4), ShapeError);
  CHECK_THROWS_WITH(run(narrow.view(), 4),
                    "pair_score: b: got shape (23, 2), expected shape (23, 3)");
  CHECK_THROWS_AS(run(c.b.view(), 5), ShapeError);
  CHECK_THROWS_WITH(run(c.b.view(), 5), "pair_score: out: got 5 elements, expected 4 elements");
  c.b_rows[2] = b_count;
  CHECK_THROWS_AS(run(c.b.view(), 4), IndexError);
  CHECK_THROWS_WITH(run(c.b.view(), 4),
                    "pair_score: b_rows: got 23 at position 2, expected values in [0, 23)");
  c.b_rows[2] = 0;
  c.a_rows[3] = -1;
  CHECK_THROWS_AS(run(c.b.view(), 4), IndexError);
  CHECK_THROWS_WITH(run(c.b.view(), 4),
                    "pair_score: a_rows: got -1 at position 3, expected values in [0, 60)");
  c.a_rows.pop_back();
  CHECK_THROWS_AS(run(c.b.view(), 4), ShapeError);
  CHECK_THROWS_WITH(run(c.b.view(), 4), "pair_score: b_rows: got 4 elements, expected 3 elements");
}

TEST_CASE("pair_score_backward names what is wrong", "[ops][pair_score]") {
  Case<float> c(4, 3);
  Matrix<float> wrong(7, 3);
  Gradients<float> to(3);
  auto const run = [&](VectorView<float const> grad_out, MatrixView<float> grad_a,
                       MatrixView<float> grad_b) {
    pair_score_backward<float>({}, c.a.view(), view_of(c.a_rows), c.b.view(), view_of(c.b_rows),
                               grad_out, grad_a, grad_b);
  };
  CHECK_NOTHROW(run(c.gradient(), to.a.view(), to.b.view()));

  CHECK_THROWS_AS(run(c.gradient().slice(0, 3), to.a.view(), to.b.view()), ShapeError);
  CHECK_THROWS_WITH(run(c.gradient().slice(0, 3), to.a.view(), to.b.view()),
                    "pair_score_backward: grad_out: got 3 elements, expected 4 elements");
  CHECK_THROWS_WITH(run(c.gradient(), wrong.view(), to.b.view()),
                    "pair_score_backward: grad_a: got shape (7, 3), expected shape (60, 3)");
  CHECK_THROWS_WITH(run(c.gradient(), to.a.view(), wrong.view()),
                    "pair_score_backward: grad_b: got shape (7, 3), expected shape (23, 3)");
  c.a_rows[0] = a_count;
  CHECK_THROWS_AS(run(c.gradient(), to.a.view(), to.b.view()), IndexError);
  CHECK_THROWS_WITH(run(c.gradient(), to.a.view(), to.b.view()),
                    "pair_score_backward: a_rows: got 60 at position 0, expected values in "
                    "[0, 60)");
}

// ---- determinism

TEMPLATE_TEST_CASE("pair_score gives the same bits for any number of threads", "[ops][pair_score]",
                   float, double) {
  Case<TestType> const c(9000, 200);

  auto const out = c.forward({.threads = 1});
  auto const gradients = backward<TestType>({.threads = 1}, c);

  for (int const threads : {2, 3}) {
    auto const more = backward<TestType>({.threads = threads}, c);
    CHECK(same_bits(out, c.forward({.threads = threads})));
    CHECK(same_bits(gradients.a, more.a));
    CHECK(same_bits(gradients.b, more.b));
  }
}
