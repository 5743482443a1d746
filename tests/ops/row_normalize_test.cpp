#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <relweave/core/error.hpp>
#include <relweave/ops/row_normalize/reference.hpp>
#include <relweave/ops/row_normalize/row_normalize.hpp>

#include <support/gradient_check.hpp>
#include <support/instruction_sets.hpp>
#include <support/random_graph.hpp>

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

/// Both passes over the same input; `norms` is one row.
template <typename T>
struct Passes {
  Matrix<T> out, norms, grad_x;
};

template <typename T>
VectorView<T> vector_view(Matrix<T>& one_row) {
  return {one_row.data(), one_row.cols()};
}

template <typename T>
Passes<T> run(HostContext const& ctx, Matrix<T> const& x, Matrix<T> const& grad_out) {
  Passes<T> p{{x.rows(), x.cols()}, {1, x.rows()}, {x.rows(), x.cols()}};
  row_normalize<T>(ctx, x.view(), p.out.view(), vector_view(p.norms));
  row_normalize_backward<T>(ctx, p.out.view(), vector_view(p.norms), grad_out.view(),
                            p.grad_x.view());
  return p;
}

template <typename T>
Passes<T> run_reference(Matrix<T> const& x, Matrix<T> const& grad_out) {
  Passes<T> p{{x.rows(), x.cols()}, {1, x.rows()}, {x.rows(), x.cols()}};
  reference::row_normalize<T>(x.view(), p.out.view(), vector_view(p.norms));
  reference::row_normalize_backward<T>(p.out.view(), vector_view(p.norms), grad_out.view(),
                                       p.grad_x.view());
  return p;
}

template <typename T>
double tolerance(std::int64_t length) {
  return 2 * static_cast<double>(std::numeric_limits<T>::epsilon()) * static_cast<double>(length);
}

}  // namespace

// ---- by hand, on the reference

TEST_CASE("reference row_normalize: a 3-4-5 row, and a zero row without a gradient",
          "[ops][row_normalize]") {
  auto const x = Matrix<double>::from_rows({{3, 4}, {0, 0}});
  auto const grad_out = Matrix<double>::from_rows({{5, 10}, {7, 7}});

  auto const p = run_reference(x, grad_out);

  CHECK(same_bits(p.out, Matrix<double>::from_rows({{0.6, 0.8}, {0, 0}})));
  CHECK(same_bits(p.norms, Matrix<double>::from_rows({{5, 0}})));
  // along = 0.6 * 5 + 0.8 * 10 = 11; ((5, 10) - 11 (0.6, 0.8)) / 5
  CHECK(largest_difference(p.grad_x, Matrix<double>::from_rows({{-0.32, 0.24}, {0, 0}})) <=
        tolerance<double>(2));
}

// ---- backend against reference

TEMPLATE_TEST_CASE("row_normalize agrees with its reference", "[ops][row_normalize]", float,
                   double) {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const d = GENERATE(1, 3, 16, 37, 128, 259);
  auto const rows = GENERATE(0, 1, 600);  // 600: more than two tasks
  auto x = random_matrix<TestType>(rows, d, 50);
  if (rows > 1) {
    std::fill_n(x.view().row_data(rows / 2), d, TestType{0});
  }
  auto const grad_out = random_matrix<TestType>(rows, d, 51);

  auto const got = run<TestType>({.threads = 2, .isa = isa}, x, grad_out);

  auto const expected = run_reference(x, grad_out);
  CAPTURE(isa_name(isa), d, rows);
  CHECK(largest_difference(got.out, expected.out) <= tolerance<TestType>(d));
  CHECK(largest_difference(got.norms, expected.norms) <= tolerance<TestType>(d));
  for (std::int64_t r = 0; r < rows; ++r) {  // a row's gradient is as large as 1 / norm
    TestType const norm = std::min(expected.norms.view()(0, r), TestType{1});
    double const allowed = tolerance<TestType>(d) / static_cast<double>(norm > 0 ? norm : 1);
    CHECK(largest_difference<TestType>(got.grad_x.view().row_slice(r, 1),
                                       expected.grad_x.view().row_slice(r, 1)) <= allowed);
  }
}

TEMPLATE_TEST_CASE("row_normalize's squares neither overflow nor underflow", "[ops][row_normalize]",
                   float, double) {
  using Limits = std::numeric_limits<TestType>;
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const d = GENERATE(2, 21, 130);
  TestType const scale = GENERATE(Limits::max() / 1024, Limits::min() * 8, Limits::min() / 64);
  auto x = random_matrix<TestType>(3, d, 52);
  std::for_each(x.data(), x.data() + 3 * d, [&](TestType& value) { value *= scale; });
  auto const grad_out = random_matrix<TestType>(3, d, 53);

  auto const got = run<TestType>({.isa = isa}, x, grad_out);

  auto const expected = run_reference(x, grad_out);
  CAPTURE(isa_name(isa), d, scale);
  CHECK(largest_difference(got.out, expected.out) <= tolerance<TestType>(d));
  for (std::int64_t r = 0; r < 3; ++r) {
    double const norm = static_cast<double>(expected.norms.view()(0, r));
    // below the smallest normal number, T itself is as coarse as its smallest step
    CHECK(std::abs(static_cast<double>(got.norms.view()(0, r)) - norm) <=
          tolerance<TestType>(d) * norm + static_cast<double>(Limits::denorm_min()));
  }
}

TEMPLATE_TEST_CASE("row_normalize takes rows whose norm T does not hold", "[ops][row_normalize]",
                   float, double) {
  using Limits = std::numeric_limits<TestType>;
  constexpr TestType largest = Limits::max();
  constexpr TestType least = Limits::denorm_min();
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const x = Matrix<TestType>::from_rows(
      {{largest, -largest, largest, largest}, {least, least, -least, least}, {0, least, 0, 0}});
  auto const grad_out = Matrix<TestType>::from_rows({{1, 2, 3, 4}, {1, 1, -1, 1}, {0, 1, 0, 0}});

  auto const got = run<TestType>({.isa = isa}, x, grad_out);

  auto const expected =
      Matrix<TestType>::from_rows({{0.5, -0.5, 0.5, 0.5}, {0.5, 0.5, -0.5, 0.5}, {0, 1, 0, 0}});
  CHECK(largest_difference(got.out, expected) <= tolerance<TestType>(1));
  CHECK(
      same_bits(got.norms, Matrix<TestType>::from_rows({{Limits::infinity(), 2 * least, least}})));
  // along each of these rows the norm alone changes, but for the first, which is too long to turn
  CHECK(largest_difference(got.grad_x, Matrix<TestType>::zeros(3, 4)) == 0);
}

TEST_CASE("row_normalize spreads NaN over its row alone, and an infinite norm leaves NaN and zeros",
          "[ops][row_normalize]") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  constexpr float infinity = std::numeric_limits<float>::infinity();
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const x =
      Matrix<float>::from_rows({{nan, 1, 2}, {infinity, 1, -1}, {nan, infinity, 0}, {0, 0, 2}});
  auto const grad_out = Matrix<float>::from_rows({{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}});

  auto const got = run<float>({.isa = isa}, x, grad_out);

  auto const expected =
      Matrix<float>::from_rows({{nan, nan, nan}, {nan, 0, 0}, {nan, nan, nan}, {0, 0, 1}});
  CHECK(largest_difference(got.out, expected) == 0);
  CHECK(largest_difference(got.out, run_reference(x, grad_out).out) == 0);
  CHECK(largest_difference(got.norms, Matrix<float>::from_rows({{nan, infinity, nan, 2}})) == 0);
  CHECK(largest_difference<float>(got.grad_x.view().row_slice(3, 1),
                                  Matrix<float>::from_rows({{0.5, 0.5, 0}}).view()) == 0);
  CHECK(std::isnan(got.grad_x.view()(0, 1)));
}

TEST_CASE("row_normalize gives a zero row no gradient, whatever comes back",
          "[ops][row_normalize]") {
  auto const x = Matrix<float>::zeros(1, 3);
  auto const grad_out =
      Matrix<float>::from_rows({{std::nanf(""), std::numeric_limits<float>::infinity(), 1}});

  auto const got = run<float>({}, x, grad_out);

  CHECK(same_bits(got.out, x));
  CHECK(same_bits(got.grad_x, x));
  CHECK(same_bits(run_reference(x, grad_out).grad_x, x));
}

TEST_CASE("row_normalize works in place, on strided rows and without norms",
          "[ops][row_normalize]") {
  auto const x = random_matrix<float>(300, 45, 54);
  auto const grad_out = random_matrix<float>(300, 45, 55);
  auto const expected = run<float>({}, x, grad_out);
  StridedMatrix<float> rows(x.view(), 3), gradient(grad_out.view(), 2), out(300, 45, 5);

  row_normalize<float>({}, rows.view(), out.view());
  row_normalize<float>({}, rows.view(), rows.view());
  auto over_out = Matrix<float>::copy_of(rows.view());
  VectorView<float const> const norms{expected.norms.data(), 300};
  row_normalize_backward<float>({}, over_out.view(), norms, gradient.view(), over_out.view());
  row_normalize_backward<float>({}, rows.view(), norms, gradient.view(), gradient.view());

  CHECK(same_bits(Matrix<float>::copy_of(out.view()), expected.out));
  CHECK(same_bits(Matrix<float>::copy_of(rows.view()), expected.out));
  CHECK(same_bits(Matrix<float>::copy_of(gradient.view()), expected.grad_x));
  CHECK(same_bits(over_out, expected.grad_x));
  CHECK((rows.intact() && gradient.intact() && out.intact()));
}

TEST_CASE("row_normalize takes rows without columns", "[ops][row_normalize]") {
  Matrix<float> const nothing(3, 0);

  auto const got = run<float>({}, nothing, nothing);

  CHECK(same_bits(got.norms, Matrix<float>::zeros(1, 3)));
}

// ---- algebra

TEST_CASE("row_normalize gives unit rows, whatever their scale, and does so once",
          "[ops][row_normalize]") {
  auto const x = random_matrix<double>(40, 19, 56);
  auto const grad_out = random_matrix<double>(40, 19, 57);
  auto scaled = Matrix<double>::copy_of(x.view());
  for (std::int64_t r = 0; r < 40; ++r) {  // powers of two: exact
    auto const row = scaled.view().row(r);
    std::for_each(row.begin(), row.end(),
                  [&](double& value) { value = std::ldexp(value, static_cast<int>(r) - 20); });
  }

  auto const p = run<double>({}, x, grad_out);

  CHECK(same_bits(run<double>({}, scaled, grad_out).out, p.out));
  CHECK(largest_difference(run<double>({}, p.out, grad_out).out, p.out) <= tolerance<double>(19));
  for (std::int64_t r = 0; r < 40; ++r) {
    auto const out = p.out.view().row_slice(r, 1);
    CHECK(inner_product<double>(out, out) == Approx(1).epsilon(tolerance<double>(19)));
    // a gradient never points along its row
    CHECK(std::abs(inner_product<double>(out, p.grad_x.view().row_slice(r, 1))) <=
          tolerance<double>(19) * 4);
  }
}

// ---- gradients

TEST_CASE("row_normalize's gradient matches central differences", "[ops][row_normalize]") {
  auto const d = GENERATE(1, 4, 11);
  auto x = random_matrix<double>(7, d, 58);
  std::for_each(x.data(), x.data() + 7 * d, [](double& value) { value += value < 0 ? -0.5 : 0.5; });
  auto const grad_out = random_matrix<double>(7, d, 59);
  auto const got = run<double>({}, x, grad_out);
  Matrix<double> out(7, d);

  auto const expected = numerical_gradient(x.view(), [&] {
    row_normalize<double>({}, x.view(), out.view());
    return inner_product<double>(grad_out.view(), out.view());
  });

  CHECK(largest_difference(got.grad_x, expected) < 1e-8);
}

// ---- errors

TEST_CASE("row_normalize names what is wrong", "[ops][row_normalize]") {
  Matrix<float> x(4, 3), out(4, 3), wrong(4, 2);
  float norms[4] = {};

  CHECK_THROWS_AS(row_normalize<float>({}, x.view(), wrong.view()), ShapeError);
  CHECK_THROWS_WITH(row_normalize<float>({}, x.view(), wrong.view()),
                    "row_normalize: out: got shape (4, 2), expected shape (4, 3)");
  CHECK_THROWS_AS(row_normalize<float>({}, x.view(), out.view(), {norms, 3}), ShapeError);
  CHECK_THROWS_WITH(row_normalize<float>({}, x.view(), out.view(), {norms, 3}),
                    "row_normalize: norms: got 3 elements, expected 4 elements");

  auto const backward = [&](std::int64_t count, MatrixView<float const> grad_out,
                            MatrixView<float> grad_x) {
    row_normalize_backward<float>({}, out.view(), {norms, count}, grad_out, grad_x);
  };
  CHECK_THROWS_AS(backward(0, x.view(), x.view()), ShapeError);
  CHECK_THROWS_WITH(backward(0, x.view(), x.view()),
                    "row_normalize_backward: norms: got 0 elements, expected 4 elements");
  CHECK_THROWS_WITH(backward(4, wrong.view(), x.view()),
                    "row_normalize_backward: grad_out: got shape (4, 2), expected shape (4, 3)");
  CHECK_THROWS_WITH(backward(4, x.view(), wrong.view()),
                    "row_normalize_backward: grad_x: got shape (4, 2), expected shape (4, 3)");
}

// ---- determinism

TEMPLATE_TEST_CASE("row_normalize gives the same bits for any number of threads",
                   "[ops][row_normalize]", float, double) {
  auto const x = random_matrix<TestType>(2000, 70, 60);
  auto const grad_out = random_matrix<TestType>(2000, 70, 61);

  auto const one = run<TestType>({.threads = 1}, x, grad_out);

  for (int const threads : {2, 3}) {
    auto const more = run<TestType>({.threads = threads}, x, grad_out);
    CHECK(same_bits(one.out, more.out));
    CHECK(same_bits(one.norms, more.norms));
    CHECK(same_bits(one.grad_x, more.grad_x));
  }
}
