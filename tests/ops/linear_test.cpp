#include <catch2/catch.hpp>

#include <algorithm>

#include <relweave/core/error.hpp>
#include <relweave/ops/linear/linear.hpp>
#include <relweave/ops/linear/reference.hpp>

#include "support/gradient_check.hpp"
#include "support/random_graph.hpp"

using namespace relweave;
using ops::Transpose;

namespace {

struct Size {
  std::int64_t m, k, n;
};

}  // namespace

TEST_CASE("linear by hand", "[ops][linear]") {
  auto const x = Matrix<double>::from_rows({{1, 2}, {-1, 0}});
  auto const w = Matrix<double>::from_rows({{1, 0, 2}, {0, 1, -1}});
  double const bias[] = {0.5, 0, -1};
  Matrix<double> out(2, 3);

  ops::linear<double>(HostContext{}, x.view(), w.view(), {bias, 3},
                      {.activation = Activation::relu}, out.view());

  auto const expected = Matrix<double>::from_rows({{1.5, 2, 0}, {0, 0, 0}});
  CHECK(test::same_bits(out, expected));
}

TEST_CASE("products equal the reference in every orientation and instruction set",
          "[ops][linear]") {
  auto const size =
      GENERATE(Size{1, 1, 1}, Size{3, 5, 7}, Size{130, 17, 33}, Size{513, 65, 40}, Size{20, 0, 4});
  auto const a_side = GENERATE(Transpose::no, Transpose::yes);
  auto const b_side = GENERATE(Transpose::no, Transpose::yes);
  ops::MatmulParams const params{.a = a_side, .b = b_side, .accumulate = GENERATE(true, false)};
  bool const at = a_side == Transpose::yes;
  bool const bt = b_side == Transpose::yes;
  auto const a = test::random_matrix<float>(at ? size.k : size.m, at ? size.m : size.k, 1);
  auto const b = test::random_matrix<float>(bt ? size.n : size.k, bt ? size.k : size.n, 2);
  auto expected = test::random_matrix<float>(size.m, size.n, 3);
  ops::reference::matmul<float>(a.view(), b.view(), params, expected.view());

  for (Isa const isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    if (isa > detected_isa()) {
      continue;
    }
    auto out = test::random_matrix<float>(size.m, size.n, 3);
    ops::matmul<float>(HostContext{.threads = 2, .isa = isa}, a.view(), b.view(), params,
                       out.view());
    // eps times the length of the sums, with room for their order
    CHECK(test::largest_difference(out, expected) < 4 * 1.2e-7 * static_cast<double>(size.k + 1));
  }
}

TEST_CASE("products work on strided views", "[ops][linear]") {
  auto const a = test::random_matrix<double>(9, 20, 4);
  auto const b = test::random_matrix<double>(20, 15, 5);
  auto wide = Matrix<double>::zeros(9, 12);
  Matrix<double> expected(9, 6);
  auto const left = a.view().col_slice(3, 8);
  auto const right = b.view().row_slice(2, 8).col_slice(4, 6);
  ops::reference::matmul<double>(left, right, {}, expected.view());

  ops::matmul<double>(HostContext{}, left, right, {}, wide.view().col_slice(1, 6));

  CHECK(test::largest_difference<double>(wide.view().col_slice(1, 6), expected.view()) < 1e-13);
  for (std::int64_t r = 0; r < 9; ++r) {
    CHECK(wide.view()(r, 0) == 0);
    CHECK(wide.view()(r, 7) == 0);
  }
}

TEST_CASE("gradients of linear match central differences", "[ops][linear]") {
  ops::LinearParams const params{.activation = GENERATE(Activation::identity, Activation::relu)};
  auto x = test::random_matrix<double>(6, 4, 6);
  auto w = test::random_matrix<double>(4, 5, 7);
  auto bias = test::random_matrix<double>(1, 5, 8);
  auto const push = test::random_matrix<double>(6, 5, 9);
  Matrix<double> out(6, 5);
  auto const loss = [&] {
    ops::linear<double>(HostContext{}, x.view(), w.view(), {bias.data(), 5}, params, out.view());
    return test::inner_product<double>(push.view(), out.view());
  };
  auto const expected_x = test::numerical_gradient(x.view(), loss);
  auto const expected_w = test::numerical_gradient(w.view(), loss);
  auto const expected_b = test::numerical_gradient(bias.view(), loss);
  loss();
  Matrix<double> grad_x(6, 4);
  auto grad_w = Matrix<double>::zeros(4, 5);
  auto grad_b = Matrix<double>::zeros(1, 5);

  ops::linear_backward<double>(
      HostContext{}, x.view(), w.view(), out.view(), push.view(), params,
      {.x = grad_x.view(), .weight = grad_w.view(), .bias = {grad_b.data(), 5}});

  CHECK(test::largest_difference(grad_x, expected_x) < 1e-8);
  CHECK(test::largest_difference(grad_w, expected_w) < 1e-8);
  CHECK(test::largest_difference(grad_b, expected_b) < 1e-8);
}

TEST_CASE("products give the same bits for 1, 2 and 3 threads", "[ops][linear]") {
  auto const a = test::random_matrix<float>(700, 90, 10);
  auto const b = test::random_matrix<float>(90, 60, 11);
  Matrix<float> one(700, 60), more(700, 60);
  ops::matmul<float>(HostContext{.threads = 1}, a.view(), b.view(), {}, one.view());

  ops::matmul<float>(HostContext{.threads = GENERATE(2, 3)}, a.view(), b.view(), {}, more.view());

  CHECK(test::same_bits(one, more));
}

TEST_CASE("a row of a product does not depend on the rows around it", "[ops][linear]") {
  // one chunk of k and several; columns that fill registers and a remainder of every width
  std::int64_t const k = GENERATE(5, 128, 1100);
  std::int64_t const n = 24 + 15;
  std::int64_t const rows = GENERATE(1, 2, 7, 13, 100);
  Isa const isa = GENERATE(Isa::baseline, Isa::avx2, Isa::avx512);
  if (isa > detected_isa()) {
    return;
  }
  HostContext const ctx{.threads = 2, .isa = isa};
  auto const a = test::random_matrix<float>(300, k, 12);
  auto const b = test::random_matrix<float>(k, n, 13);
  auto const bias = test::random_matrix<float>(1, n, 14);
  ops::LinearParams const params{.activation = Activation::relu};
  Matrix<float> all(300, n), some(rows, n);
  ops::linear<float>(ctx, a.view(), b.view(), {bias.data(), n}, params, all.view());

  std::int64_t const first = 300 - rows - 1;
  ops::linear<float>(ctx, a.view().row_slice(first, rows), b.view(), {bias.data(), n}, params,
                     some.view());

  CHECK(std::equal(some.data(), some.data() + rows * n, all.view().row_data(first)));
}

TEST_CASE("linear refuses shapes that do not fit", "[ops][linear]") {
  Matrix<float> a(3, 4), b(5, 6), out(3, 6);

  CHECK_THROWS_AS(ops::matmul<float>(HostContext{}, a.view(), b.view(), {}, out.view()),
                  ShapeError);
  CHECK_THROWS_AS(ops::linear<float>(HostContext{}, a.view(), b.view(), {}, {}, out.view()),
                  ShapeError);
  Matrix<float> w(4, 6);
  float const bias[] = {1, 2};
  CHECK_THROWS_AS(ops::linear<float>(HostContext{}, a.view(), w.view(), {bias, 2}, {}, out.view()),
                  ShapeError);
}
