#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/ops/linear/linear.hpp>
#include <relweave/ops/linear/reference.hpp>

#include <support/gradient_check.hpp>
#include <support/instruction_sets.hpp>
#include <support/random_graph.hpp>

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

struct Size {
  std::int64_t m, k, n;
};

/// A random layer, what it is fed, and what comes back.
template <typename T>
struct Case {
  Matrix<T> x, weight, bias, grad_out;  // bias: one row, or nothing
  Matrix<T> prior;                      // what accumulate adds to
  LinearParams params;

  Case(Size const& s, bool with_bias, Activation activation, bool accumulate = false)
      : x(random_matrix<T>(s.m, s.k, 90)),
        weight(random_matrix<T>(s.k, s.n, 91)),
        bias(random_matrix<T>(1, with_bias ? s.n : 0, 92)),
        grad_out(random_matrix<T>(s.m, s.n, 93)),
        prior(random_matrix<T>(s.m, s.n, 94)),
        params{.activation = activation, .accumulate = accumulate} {}

  VectorView<T const> bias_view() const { return {bias.data(), bias.cols()}; }

  Matrix<T> forward(HostContext const& ctx) const {
    auto out = Matrix<T>::copy_of(prior.view());
    linear<T>(ctx, x.view(), weight.view(), bias_view(), params, out.view());
    return out;
  }
  Matrix<T> forward_reference() const {
    auto out = Matrix<T>::copy_of(prior.view());
    reference::linear<T>(x.view(), weight.view(), bias_view(), params, out.view());
    return out;
  }
};

/// Where the backward pass writes and adds; it starts from something, so that the two differ.
template <typename T>
struct Gradients {
  Matrix<T> x, weight, bias, sum;

  explicit Gradients(Case<T> const& c)
      : x(random_matrix<T>(c.x.rows(), c.x.cols(), 95)),
        weight(random_matrix<T>(c.x.cols(), c.weight.cols(), 96)),
        bias(random_matrix<T>(1, c.weight.cols(), 97)),
        sum(random_matrix<T>(c.x.rows(), c.weight.cols(), 98)) {}

  LinearGradients<T> view(bool accumulate_x = false) {
    return {.x = x.view(),
            .weight = weight.view(),
            .bias = {bias.data(), bias.cols()},
            .sum = sum.view(),
            .accumulate_x = accumulate_x};
  }
};

template <typename T>
Gradients<T> backward(HostContext const& ctx, Case<T> const& c, Matrix<T> const& out,
                      bool accumulate_x = false) {
  Gradients<T> to(c);
  linear_backward<T>(ctx, c.x.view(), c.weight.view(), out.view(), c.grad_out.view(), c.params,
                     to.view(accumulate_x));
  return to;
}

template <typename T>
double tolerance(std::int64_t length) {
  return 2 * static_cast<double>(std::numeric_limits<T>::epsilon()) * static_cast<double>(length);
}

}  // namespace

// ---- by hand, on the reference

TEST_CASE("reference linear and its gradients on two rows", "[ops][linear]") {
  auto const x = Matrix<double>::from_rows({{1, 2}, {-1, 0}});
  auto const weight = Matrix<double>::from_rows({{1, 0, 2}, {0, 1, -1}});
  double const bias[] = {0.5, 0, -1};
  auto const grad_out = Matrix<double>::from_rows({{1, 10, 100}, {1000, 1000, 1000}});
  LinearParams const relu{.activation = Activation::relu};
  Matrix<double> out(2, 3), grad_x(2, 2);
  auto grad_weight = Matrix<double>::from_rows({{1, 1, 1}, {1, 1, 1}});
  auto grad_bias = Matrix<double>::zeros(1, 3);

  reference::linear<double>(x.view(), weight.view(), {bias, 3}, {}, out.view());
  CHECK(same_bits(out, Matrix<double>::from_rows({{1.5, 2, -1}, {-0.5, 0, -3}})));

  reference::linear<double>(x.view(), weight.view(), {bias, 3}, relu, out.view());
  CHECK(same_bits(out, Matrix<double>::from_rows({{1.5, 2, 0}, {0, 0, 0}})));

  reference::linear_backward<double>(
      x.view(), weight.view(), out.view(), grad_out.view(), relu,
      {.x = grad_x.view(), .weight = grad_weight.view(), .bias = {grad_bias.data(), 3}});
  CHECK(same_bits(grad_x, Matrix<double>::from_rows({{1, 10}, {0, 0}})));
  CHECK(same_bits(grad_weight, Matrix<double>::from_rows({{2, 11, 1}, {3, 21, 1}})));
  CHECK(same_bits(grad_bias, Matrix<double>::from_rows({{1, 10, 0}})));
}

TEST_CASE("reference matmul in every orientation", "[ops][linear]") {
  auto const a = Matrix<double>::from_rows({{1, 2, 3}, {4, 5, 6}});
  auto const b = Matrix<double>::from_rows({{1, 0, -1}, {2, 1, 0}});
  Matrix<double> inner(2, 2), outer(3, 3), turned(3, 2);
  auto const square = Matrix<double>::from_rows({{1, 2}, {3, 4}});

  reference::matmul<double>(a.view(), b.view(), {.b = Transpose::yes}, inner.view());
  reference::matmul<double>(a.view(), b.view(), {.a = Transpose::yes}, outer.view());
  reference::matmul<double>(a.view(), square.view(), {.a = Transpose::yes, .b = Transpose::yes},
                            turned.view());

  CHECK(same_bits(inner, Matrix<double>::from_rows({{-2, 4}, {-2, 13}})));
  CHECK(same_bits(outer, Matrix<double>::from_rows({{9, 4, -1}, {12, 5, -2}, {15, 6, -3}})));
  CHECK(same_bits(turned, Matrix<double>::from_rows({{9, 19}, {12, 26}, {15, 33}})));
  reference::matmul<double>(square.view(), square.view(), {.accumulate = true}, inner.view());
  CHECK(same_bits(inner, Matrix<double>::from_rows({{5, 14}, {13, 35}})));
}

// ---- backend against reference

TEMPLATE_TEST_CASE("matmul agrees with its reference in every orientation", "[ops][linear]", float,
                   double) {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const size = GENERATE(Size{1, 1, 1}, Size{3, 5, 7}, Size{130, 17, 33}, Size{257, 65, 40},
                             Size{20, 0, 4}, Size{0, 3, 4}, Size{4, 3, 0}, Size{17, 1100, 51});
  auto const a_side = GENERATE(Transpose::no, Transpose::yes);
  auto const b_side = GENERATE(Transpose::no, Transpose::yes);
  auto const accumulate = GENERATE(false, true);
  MatmulParams const params{.a = a_side, .b = b_side, .accumulate = accumulate};
  bool const at = a_side == Transpose::yes;
  bool const bt = b_side == Transpose::yes;
  auto const a = random_matrix<TestType>(at ? size.k : size.m, at ? size.m : size.k, 98);
  auto const b = random_matrix<TestType>(bt ? size.n : size.k, bt ? size.k : size.n, 99);
  auto out = random_matrix<TestType>(size.m, size.n, 100);

  matmul<TestType>({.threads = 2, .isa = isa}, a.view(), b.view(), params, out.view());

  auto expected = random_matrix<TestType>(size.m, size.n, 100);
  reference::matmul<TestType>(a.view(), b.view(), params, expected.view());
  CAPTURE(isa_name(isa), size.m, size.k, size.n, at, bt, accumulate);
  CHECK(largest_difference(out, expected) <= tolerance<TestType>(size.k + 1));
}

TEMPLATE_TEST_CASE("linear agrees with its reference", "[ops][linear]", float, double) {
  auto const isa = GENERATE(from_range(instruction_sets()));
  // fewer rows than a tile has, fewer than a panel pays for, several tasks; several chunks of k;
  // every remainder of columns; nothing in each of the three directions
  auto const size =
      GENERATE(Size{1, 5, 3}, Size{7, 33, 71}, Size{13, 1100, 48}, Size{300, 40, 63},
               Size{259, 127, 130}, Size{0, 4, 5}, Size{5, 0, 19}, Size{40, 0, 100}, Size{6, 4, 0});
  auto const with_bias = GENERATE(false, true);
  auto const activation = GENERATE(Activation::identity, Activation::relu);
  auto const accumulate_x = GENERATE(false, true);
  auto const accumulate = GENERATE(false, true);
  Case<TestType> const c(size, with_bias, activation, accumulate);
  HostContext const ctx{.threads = 2, .isa = isa};

  auto const out = c.forward(ctx);
  auto const expected_out = c.forward_reference();
  auto const got = backward<TestType>(ctx, c, expected_out, accumulate_x);

  Gradients<TestType> expected(c);
  reference::linear_backward<TestType>(c.x.view(), c.weight.view(), expected_out.view(),
                                       c.grad_out.view(), c.params, expected.view(accumulate_x));
  CAPTURE(isa_name(isa), size.m, size.k, size.n, with_bias, activation, accumulate, accumulate_x);
  CHECK(largest_difference(out, expected_out) <= tolerance<TestType>(size.k + 1));
  CHECK(largest_difference(got.x, expected.x) <= tolerance<TestType>(size.n + 1));
  CHECK(largest_difference(got.weight, expected.weight) <= tolerance<TestType>(size.m + 1));
  CHECK(largest_difference(got.bias, expected.bias) <= tolerance<TestType>(size.m + 1));
  CHECK(same_bits(got.sum, expected.sum));
}

TEST_CASE("linear and its gradients keep to strided rows", "[ops][linear]") {
  auto const activation = GENERATE(Activation::identity, Activation::relu);
  Case<float> const c({150, 45, 61}, true, activation);
  auto const expected_out = c.forward({});
  auto const expected = backward<float>({}, c, expected_out);
  Gradients<float> const before(c);
  StridedMatrix<float> x(c.x.view(), 3), weight(c.weight.view(), 5), out(150, 61, 2),
      grad_out(c.grad_out.view(), 1);
  StridedMatrix<float> grad_x(150, 45, 4), grad_weight(before.weight.view(), 7);

  linear<float>({}, x.view(), weight.view(), c.bias_view(), c.params, out.view());
  linear_backward<float>({}, x.view(), weight.view(), out.view(), grad_out.view(), c.params,
                         {.x = grad_x.view(), .weight = grad_weight.view()});

  CHECK(same_bits(Matrix<float>::copy_of(out.view()), expected_out));
  CHECK(same_bits(Matrix<float>::copy_of(grad_x.view()), expected.x));
  CHECK(same_bits(Matrix<float>::copy_of(grad_weight.view()), expected.weight));
  CHECK((out.intact() && grad_x.intact() && grad_weight.intact()));
}

TEST_CASE("matmul works on blocks inside of matrices", "[ops][linear]") {
  auto const a_side = GENERATE(Transpose::no, Transpose::yes);
  auto const b_side = GENERATE(Transpose::no, Transpose::yes);
  MatmulParams const params{.a = a_side, .b = b_side};
  auto const a = random_matrix<double>(20, 20, 101);
  auto const b = random_matrix<double>(20, 20, 102);
  auto const left = a.view().row_slice(5, 8).col_slice(3, 8);
  auto const right = b.view().row_slice(2, 8).col_slice(4, 8);
  StridedMatrix<double> out(8, 8, 6);
  Matrix<double> expected(8, 8);

  matmul<double>({}, left, right, params, out.view());

  reference::matmul<double>(left, right, params, expected.view());
  CHECK(largest_difference<double>(out.view(), expected.view()) <= tolerance<double>(8));
  CHECK(out.intact());
}

TEST_CASE("linear lets NaN through relu, and its row alone", "[ops][linear]") {
  auto const isa = GENERATE(from_range(instruction_sets()));
  Case<float> c({20, 9, 35}, true, Activation::relu);
  auto const clean = c.forward({.isa = isa});
  c.x.view()(4, 6) = std::numeric_limits<float>::quiet_NaN();

  auto const out = c.forward({.isa = isa});

  for (std::int64_t j = 0; j < 35; ++j) {
    CHECK(std::isnan(out.view()(4, j)));
  }
  CHECK(std::equal(out.data(), out.data() + 4 * 35, clean.data()));
  CHECK(std::equal(out.data() + 5 * 35, out.data() + 20 * 35, clean.data() + 5 * 35));
}

// ---- algebra

TEST_CASE("linear is linear in x, and its gradients are the adjoints", "[ops][linear]") {
  Case<double> c({40, 23, 31}, false, Activation::identity);
  auto const first = c.forward({});
  auto const gradients = backward<double>({}, c, first);
  Gradients<double> before(c);
  std::transform(gradients.weight.data(), gradients.weight.data() + 23 * 31, before.weight.data(),
                 before.weight.data(), std::minus<>{});
  double const product = inner_product<double>(c.grad_out.view(), first.view());
  CHECK(inner_product<double>(gradients.x.view(), c.x.view()) == Approx(product));
  CHECK(inner_product<double>(before.weight.view(), c.weight.view()) == Approx(product));

  auto sum = random_matrix<double>(40, 23, 103);
  c.x = random_matrix<double>(40, 23, 103);
  auto const second = c.forward({});
  auto const x = random_matrix<double>(40, 23, 90);
  std::transform(sum.data(), sum.data() + 40 * 23, x.data(), sum.data(), std::plus<>{});
  c.x = std::move(sum);
  auto const both = c.forward({});
  for (std::int64_t i = 0; i < 40 * 31; ++i) {
    CHECK(both.data()[i] == Approx(first.data()[i] + second.data()[i]).margin(1e-12));
  }
}

TEST_CASE("the transpose of a product is the product of the transposes", "[ops][linear]") {
  auto const a = random_matrix<double>(37, 29, 104);
  auto const b = random_matrix<double>(29, 41, 105);
  Matrix<double> product(37, 41), transposed(41, 37);

  matmul<double>({}, a.view(), b.view(), {}, product.view());
  matmul<double>({}, b.view(), a.view(), {.a = Transpose::yes, .b = Transpose::yes},
                 transposed.view());

  for (std::int64_t i = 0; i < 37; ++i) {
    for (std::int64_t j = 0; j < 41; ++j) {
      CHECK(transposed.view()(j, i) == Approx(product.view()(i, j)).margin(1e-13));
    }
  }
}

TEST_CASE("a row of a product does not depend on the rows around it", "[ops][linear]") {
  // one chunk of k and several; columns that fill registers and a remainder of every width
  auto const k = GENERATE(5, 128, 1100);
  std::int64_t const n = 24 + 15;
  std::int64_t const rows = GENERATE(1, 2, 7, 13, 100);
  auto const isa = GENERATE(from_range(instruction_sets()));
  HostContext const ctx{.threads = 2, .isa = isa};
  Case<float> const c({300, k, n}, true, Activation::relu);
  Matrix<float> some(rows, n);
  std::int64_t const first = 300 - rows - 1;

  linear<float>(ctx, c.x.view().row_slice(first, rows), c.weight.view(), c.bias_view(), c.params,
                some.view());

  CHECK(same_bits(some, Matrix<float>::copy_of(c.forward(ctx).view().row_slice(first, rows))));
}

// ---- gradients

TEST_CASE("gradients of linear match central differences", "[ops][linear]") {
  auto const activation = GENERATE(Activation::identity, Activation::relu);
  auto const accumulate_x = GENERATE(false, true);
  auto const accumulate = GENERATE(false, true);
  Case<double> c({6, 4, 5}, true, activation, accumulate);
  auto const loss = [&] { return inner_product<double>(c.grad_out.view(), c.forward({}).view()); };
  auto expected_x = numerical_gradient(c.x.view(), loss);
  auto expected_weight = numerical_gradient(c.weight.view(), loss);
  auto expected_bias = numerical_gradient(c.bias.view(), loss);
  auto const expected_sum = accumulate ? numerical_gradient(c.prior.view(), loss)
                                       : Matrix<double>::zeros(6, 5);  // nothing reads it
  Gradients<double> const before(c);
  auto const add = [](Matrix<double>& to, Matrix<double> const& what) {
    std::transform(to.data(), to.data() + to.rows() * to.cols(), what.data(), to.data(),
                   std::plus<>{});
  };
  add(expected_weight, before.weight);
  add(expected_bias, before.bias);
  if (accumulate_x) {
    add(expected_x, before.x);
  }

  auto const got = backward<double>({}, c, c.forward({}), accumulate_x);

  CHECK(largest_difference(got.x, expected_x) < 1e-8);
  CHECK(largest_difference(got.weight, expected_weight) < 1e-8);
  CHECK(largest_difference(got.bias, expected_bias) < 1e-8);
  if (accumulate) {
    CHECK(largest_difference(got.sum, expected_sum) < 1e-8);
  }
}

TEST_CASE("each gradient of linear may be left out", "[ops][linear]") {
  auto const activation = GENERATE(Activation::identity, Activation::relu);
  Case<float> const c({70, 12, 19}, true, activation);
  auto const out = c.forward({});
  auto const all = backward<float>({}, c, out);
  Gradients<float> alone(c), none(c);
  // relu alone needs the output
  auto const seen = activation == Activation::relu ? out.view() : MatrixView<float const>{};
  auto const run = [&](LinearGradients<float> const& gradients) {
    linear_backward<float>({}, c.x.view(), c.weight.view(), seen, c.grad_out.view(), c.params,
                           gradients);
  };

  run({.x = alone.x.view()});
  run({.weight = alone.weight.view()});
  run({.bias = {alone.bias.data(), 19}});
  run({.sum = alone.sum.view()});
  run({});

  CHECK(same_bits(alone.x, all.x));
  CHECK(same_bits(alone.weight, all.weight));
  CHECK(same_bits(alone.bias, all.bias));
  CHECK(same_bits(alone.sum, all.sum));
}

TEST_CASE("linear's relu passes no gradient where the output is zero", "[ops][linear]") {
  auto const x = Matrix<double>::from_rows({{0, 1}});
  auto const weight = Matrix<double>::from_rows({{1, 1}, {0, 2}});
  auto const grad_out = Matrix<double>::from_rows({{5, 7}});
  LinearParams const relu{.activation = Activation::relu};
  Matrix<double> out(1, 2), grad_x(1, 2);

  linear<double>({}, x.view(), weight.view(), {}, relu, out.view());
  linear_backward<double>({}, x.view(), weight.view(), out.view(), grad_out.view(), relu,
                          {.x = grad_x.view()});

  CHECK(same_bits(out, Matrix<double>::from_rows({{0, 2}})));
  CHECK(same_bits(grad_x, Matrix<double>::from_rows({{7, 14}})));
}

// ---- errors

TEST_CASE("matmul and linear name what is wrong", "[ops][linear]") {
  Matrix<float> const a(3, 4), wrong(5, 6), weight(4, 6);
  float const bias[] = {1, 2, 3, 4, 5, 6};
  Matrix<float> out(3, 6), narrow(3, 5);

  CHECK_THROWS_AS(matmul<float>({}, a.view(), wrong.view(), {}, out.view()), ShapeError);
  CHECK_THROWS_WITH(matmul<float>({}, a.view(), wrong.view(), {}, out.view()),
                    "matmul: b: got shape (5, 6), expected shape (4, 6)");
  CHECK_THROWS_WITH(matmul<float>({}, a.view(), weight.view(), {.b = Transpose::yes}, out.view()),
                    "matmul: b: got shape (4, 6), expected shape (4, 4)");
  CHECK_THROWS_WITH(matmul<float>({}, a.view(), weight.view(), {}, narrow.view()),
                    "matmul: out: got shape (3, 5), expected shape (3, 6)");
  CHECK_THROWS_AS(linear<float>({}, a.view(), wrong.view(), {}, {}, out.view()), ShapeError);
  CHECK_THROWS_WITH(linear<float>({}, a.view(), wrong.view(), {}, {}, out.view()),
                    "linear: weight: got shape (5, 6), expected shape (4, 6)");
  CHECK_THROWS_WITH(linear<float>({}, a.view(), weight.view(), {bias, 2}, {}, out.view()),
                    "linear: bias: got 2 elements, expected 6 elements");
  CHECK_THROWS_WITH(linear<float>({}, a.view(), weight.view(), {bias, 6}, {}, narrow.view()),
                    "linear: out: got shape (3, 5), expected shape (3, 6)");
}

TEST_CASE("linear_backward names what is wrong, before it writes", "[ops][linear]") {
  Case<float> const c({3, 4, 6}, true, Activation::relu);
  auto const out = c.forward({});
  Gradients<float> to(c), before(c);
  Matrix<float> const wrong(5, 6);
  Matrix<float> wrong_gradient(4, 5);
  auto const run = [&](MatrixView<float const> output, MatrixView<float const> grad_out,
                       LinearGradients<float> const& gradients) {
    linear_backward<float>({}, c.x.view(), c.weight.view(), output, grad_out, c.params, gradients);
  };
  auto with_x = to.view(), with_weight = to.view(), with_bias = to.view();
  with_x.x = wrong_gradient.view();
  with_weight.weight = wrong_gradient.view();
  with_bias.bias = with_bias.bias.slice(0, 5);

  CHECK_THROWS_AS(run(out.view(), wrong.view(), to.view()), ShapeError);
  CHECK_THROWS_WITH(run(out.view(), wrong.view(), to.view()),
                    "linear_backward: grad_out: got shape (5, 6), expected shape (3, 6)");
  CHECK_THROWS_WITH(run({}, c.grad_out.view(), to.view()),
                    "linear_backward: out: got shape (0, 0), expected shape (3, 6)");
  CHECK_THROWS_WITH(run(out.view(), c.grad_out.view(), with_x),
                    "linear_backward: gradients.x: got shape (4, 5), expected shape (3, 4)");
  CHECK_THROWS_WITH(run(out.view(), c.grad_out.view(), with_weight),
                    "linear_backward: gradients.weight: got shape (4, 5), expected shape (4, 6)");
  CHECK_THROWS_WITH(run(out.view(), c.grad_out.view(), with_bias),
                    "linear_backward: gradients.bias: got 5 elements, expected 6 elements");
  CHECK_THROWS_WITH(linear_backward<float>({}, c.x.view(), wrong.view(), out.view(),
                                           c.grad_out.view(), c.params, to.view()),
                    "linear_backward: weight: got shape (5, 6), expected shape (4, 6)");
  CHECK((same_bits(to.x, before.x) && same_bits(to.weight, before.weight) &&
         same_bits(to.bias, before.bias)));
}

// ---- determinism

TEMPLATE_TEST_CASE("linear gives the same bits for any number of threads", "[ops][linear]", float,
                   double) {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const size = GENERATE(Size{700, 90, 60}, Size{30, 780, 512});
  Case<TestType> const c(size, true, Activation::relu);

  auto const out = c.forward({.threads = 1, .isa = isa});
  auto const gradients = backward<TestType>({.threads = 1, .isa = isa}, c, out);

  for (int const threads : {2, 3}) {
    auto const more = backward<TestType>({.threads = threads, .isa = isa}, c, out);
    CHECK(same_bits(out, c.forward({.threads = threads, .isa = isa})));
    CHECK(same_bits(gradients.x, more.x));
    CHECK(same_bits(gradients.weight, more.weight));
    CHECK(same_bits(gradients.bias, more.bias));
  }
}
