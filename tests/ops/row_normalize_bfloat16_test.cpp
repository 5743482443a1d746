#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include <relweave/core/error.hpp>
#include <relweave/ops/row_normalize/reference.hpp>
#include <relweave/ops/row_normalize/row_normalize.hpp>

#include <support/gradient_check.hpp>
#include <support/instruction_sets.hpp>
#include <support/random_graph.hpp>
#include <support/rounded.hpp>

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

constexpr double epsilon = std::numeric_limits<float>::epsilon();

/// Both passes over the same input; `norms` is one row.
struct Passes {
  Matrix<bfloat16> out, grad_x;
  Matrix<float> norms;
};

Passes run(HostContext const& ctx, Matrix<bfloat16> const& x, Matrix<bfloat16> const& grad_out) {
  Passes p{{x.rows(), x.cols()}, {x.rows(), x.cols()}, {1, x.rows()}};
  row_normalize<bfloat16>(ctx, x.view(), p.out.view(), {p.norms.data(), x.rows()});
  row_normalize_backward<bfloat16>(ctx, p.out.view(), {p.norms.data(), x.rows()}, grad_out.view(),
                                   p.grad_x.view());
  return p;
}

}  // namespace

TEST_CASE("row_normalize in bfloat16 is the reference's result, rounded once, norms in float",
          "[ops][row_normalize][bfloat16]") {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const d = GENERATE(1, 3, 16, 37, 128, 259);
  auto const rows = GENERATE(0, 1, 600);
  auto x = random_bfloat16(rows, d, 50);
  if (rows > 1) {
    std::fill_n(x.view().row_data(rows / 2), d, bfloat16{});
  }
  auto const grad_out = random_bfloat16(rows, d, 51);

  auto const got = run({.threads = 2, .isa = isa}, x, grad_out);

  Matrix<double> expected(rows, d), norms(1, rows), expected_grad(rows, d);
  reference::row_normalize<double>(converted<double>(x).view(), expected.view(),
                                   {norms.data(), rows});
  CAPTURE(isa_name(isa), d, rows);
  double const sum_error = 2 * epsilon * d;
  CHECK(rounded_once(got.out, expected, sum_error));
  CHECK(largest_difference(converted<double>(got.norms), norms) <= sum_error);
  // the backward pass reads out as it was stored
  reference::row_normalize_backward<double>(converted<double>(got.out).view(), {norms.data(), rows},
                                            converted<double>(grad_out).view(),
                                            expected_grad.view());
  for (std::int64_t r = 0; r < rows; ++r) {  // a row's gradient is as large as 1 / norm
    double const norm = norms.view()(0, r);
    CHECK(rounded_once(Matrix<bfloat16>::copy_of(got.grad_x.view().row_slice(r, 1)),
                       Matrix<double>::copy_of(expected_grad.view().row_slice(r, 1)),
                       sum_error / (norm > 0 ? std::min(norm, 1.0) : 1.0)));
  }
}

TEST_CASE("row_normalize in bfloat16 takes rows of any scale", "[ops][row_normalize][bfloat16]") {
  auto const isa = GENERATE(from_range(instruction_sets()));
  constexpr float huge = 0x1.FEp127F, least = 0x1p-133F;  // the range of bfloat16
  auto const x = converted<bfloat16>(Matrix<float>::from_rows(
      {{huge, -huge, huge, huge}, {least, least, -least, least}, {0, least, 0, 0}}));
  auto const grad_out =
      converted<bfloat16>(Matrix<float>::from_rows({{1, 2, 3, 4}, {1, 1, -1, 1}, {0, 1, 0, 0}}));

  auto const got = run({.isa = isa}, x, grad_out);

  CHECK(same_bits(
      converted<float>(got.out),
      Matrix<float>::from_rows({{0.5, -0.5, 0.5, 0.5}, {0.5, 0.5, -0.5, 0.5}, {0, 1, 0, 0}})));
  CHECK(same_bits(got.norms, Matrix<float>::from_rows(
                                 {{std::numeric_limits<float>::infinity(), 2 * least, least}})));
  auto const gradients = converted<float>(got.grad_x);
  CHECK(largest_difference(gradients, Matrix<float>::zeros(3, 4)) == 0);
}

TEST_CASE("row_normalize in bfloat16 spreads NaN over its row alone, and leaves zero rows",
          "[ops][row_normalize][bfloat16]") {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const x =
      converted<bfloat16>(Matrix<float>::from_rows({{std::nanf(""), 1, 2}, {3, 0, 4}, {0, 0, 0}}));

  auto const got = run({.isa = isa}, x, x);

  auto const out = converted<float>(got.out);
  CHECK(std::all_of(out.view().row(0).begin(), out.view().row(0).end(),
                    [](float value) { return std::isnan(value); }));
  CHECK(got.norms.view()(0, 1) == 5);
  CHECK(rounded_once(Matrix<bfloat16>::copy_of(got.out.view().row_slice(1, 2)),
                     Matrix<double>::from_rows({{0.6, 0, 0.8}, {0, 0, 0}}), 0));
  CHECK(got.norms.view()(0, 2) == 0);
}

TEST_CASE("row_normalize in bfloat16 works in place, on strided rows and without norms",
          "[ops][row_normalize][bfloat16]") {
  auto const x = random_bfloat16(40, 37, 54);
  auto const grad_out = random_bfloat16(40, 37, 55);
  auto const expected = run({}, x, grad_out);
  StridedMatrix<bfloat16> rows(x.view(), 3), gradients(grad_out.view(), 2);

  row_normalize<bfloat16>({}, rows.view(), rows.view());
  row_normalize_backward<bfloat16>({}, rows.view(), {expected.norms.data(), 40}, gradients.view(),
                                   gradients.view());

  CHECK(same_bits(Matrix<bfloat16>::copy_of(rows.view()), expected.out));
  CHECK(same_bits(Matrix<bfloat16>::copy_of(gradients.view()), expected.grad_x));
  CHECK((rows.intact() && gradients.intact()));
}

TEST_CASE("row_normalize in bfloat16 gives the same bits for any number of threads",
          "[ops][row_normalize][bfloat16]") {
  auto const x = random_bfloat16(2000, 70, 60);
  auto const grad_out = random_bfloat16(2000, 70, 61);

  auto const one = run({.threads = 1}, x, grad_out);

  for (int const threads : {2, 3}) {
    auto const more = run({.threads = threads}, x, grad_out);
    CHECK(same_bits(one.out, more.out));
    CHECK(same_bits(one.norms, more.norms));
    CHECK(same_bits(one.grad_x, more.grad_x));
  }
}

TEST_CASE("row_normalize in bfloat16 names what is wrong", "[ops][row_normalize][bfloat16]") {
  Matrix<bfloat16> x(4, 3), wrong(4, 2);
  float norms[4] = {};

  CHECK_THROWS_AS(row_normalize<bfloat16>({}, x.view(), wrong.view()), ShapeError);
  CHECK_THROWS_AS(row_normalize<bfloat16>({}, x.view(), x.view(), {norms, 3}), ShapeError);
  CHECK_THROWS_AS(
      row_normalize_backward<bfloat16>({}, x.view(), {norms, 4}, wrong.view(), x.view()),
      ShapeError);
}
