#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/ops/gather_rows/gather_rows.hpp>
#include <relweave/ops/gather_rows/reference.hpp>

#include <support/gradient_check.hpp>
#include <support/instruction_sets.hpp>
#include <support/random_graph.hpp>

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

template <typename T>
Matrix<T> scattered(HostContext const& ctx, Matrix<T> const& x, std::vector<NodeId> const& indices,
                    std::int64_t rows) {
  auto out = random_matrix<T>(rows, x.cols(), 30);
  scatter_rows<T>(ctx, x.view(), view_of(indices), out.view());
  return out;
}

}  // namespace

// ---- by hand, on the reference

TEST_CASE("reference gather_rows and scatter_rows on three rows", "[ops][gather_rows]") {
  auto const x = Matrix<double>::from_rows({{1, 2}, {3, 4}, {5, 6}});
  std::vector<NodeId> const indices{2, 0, 2};
  Matrix<double> out(3, 2);

  reference::gather_rows<double>(x.view(), view_of(indices), out.view());
  CHECK(same_bits(out, Matrix<double>::from_rows({{5, 6}, {1, 2}, {5, 6}})));

  reference::scatter_rows<double>(x.view(), view_of(indices), out.view());
  CHECK(same_bits(out, Matrix<double>::from_rows({{8, 10}, {1, 2}, {11, 14}})));
}

// ---- backend against reference

TEMPLATE_TEST_CASE("gather_rows and scatter_rows agree with their references", "[ops][gather_rows]",
                   float, double) {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const d = GENERATE(1, 7, 16, 100, 128, 257);
  auto const count = GENERATE(0, 5, 400);  // 5: few rows of 60 change
  auto const indices = random_indices(count, 60, 31);
  auto const table = random_matrix<TestType>(60, d, 32);
  auto const x = random_matrix<TestType>(count, d, 33);
  HostContext const ctx{.threads = 2, .isa = isa};

  Matrix<TestType> gathered(count, d), expected_gathered(count, d);
  gather_rows<TestType>(ctx, table.view(), view_of(indices), gathered.view());
  auto const out = scattered(ctx, x, indices, 60);

  reference::gather_rows<TestType>(table.view(), view_of(indices), expected_gathered.view());
  auto expected = random_matrix<TestType>(60, d, 30);
  reference::scatter_rows<TestType>(x.view(), view_of(indices), expected.view());
  CAPTURE(isa_name(isa), d, count);
  CHECK(same_bits(gathered, expected_gathered));
  CHECK(largest_difference(out, expected) <=
        20 * static_cast<double>(std::numeric_limits<TestType>::epsilon()));
}

TEST_CASE("gather_rows and scatter_rows keep to strided rows", "[ops][gather_rows]") {
  auto const indices = random_indices(300, 80, 34);
  auto const values = random_matrix<float>(300, 21, 35);
  auto const table = random_matrix<float>(80, 21, 30);
  StridedMatrix<float> x(values.view(), 3), out(table.view(), 2), gathered(300, 21, 5);

  gather_rows<float>({}, out.view(), view_of(indices), gathered.view());
  scatter_rows<float>({}, x.view(), view_of(indices), out.view());

  Matrix<float> expected(300, 21);
  gather_rows<float>({}, table.view(), view_of(indices), expected.view());
  CHECK(same_bits(Matrix<float>::copy_of(gathered.view()), expected));
  CHECK(same_bits(Matrix<float>::copy_of(out.view()), scattered({}, values, indices, 80)));
  CHECK((out.intact() && gathered.intact()));
}

TEST_CASE("gather_rows keeps NaN and scatter_rows adds it to its own row only",
          "[ops][gather_rows]") {
  auto const table = Matrix<float>::from_rows({{1, std::nanf("")}, {2, 3}});
  std::vector<NodeId> const indices{1, 0};
  Matrix<float> out(2, 2);

  gather_rows<float>({}, table.view(), view_of(indices), out.view());
  CHECK((out.view()(0, 1) == 3 && std::isnan(out.view()(1, 1))));

  auto sums = Matrix<float>::zeros(2, 2);
  scatter_rows<float>({}, table.view(), view_of(indices), sums.view());
  CHECK((std::isnan(sums.view()(1, 1)) && sums.view()(0, 1) == 3));
}

// ---- algebra and gradients: scatter_rows is the adjoint of gather_rows

TEST_CASE("<gather(x), y> is <x, scatter(y)>", "[ops][gather_rows]") {
  auto const indices = random_indices(500, 70, 36);
  auto const x = random_matrix<double>(70, 11, 37);
  auto const y = random_matrix<double>(500, 11, 38);
  Matrix<double> gathered(500, 11);
  auto sums = Matrix<double>::zeros(70, 11);

  gather_rows<double>({}, x.view(), view_of(indices), gathered.view());
  scatter_rows<double>({}, y.view(), view_of(indices), sums.view());

  CHECK(inner_product<double>(gathered.view(), y.view()) ==
        Approx(inner_product<double>(x.view(), sums.view())));
}

TEST_CASE("scatter_rows is gather_rows' gradient by central differences", "[ops][gather_rows]") {
  auto const indices = random_indices(12, 6, 39);
  auto x = random_matrix<double>(6, 3, 40);
  auto const y = random_matrix<double>(12, 3, 41);
  Matrix<double> gathered(12, 3);
  auto sums = Matrix<double>::zeros(6, 3);

  scatter_rows<double>({}, y.view(), view_of(indices), sums.view());

  auto const expected = numerical_gradient(x.view(), [&] {
    gather_rows<double>({}, x.view(), view_of(indices), gathered.view());
    return inner_product<double>(gathered.view(), y.view());
  });
  CHECK(largest_difference(sums, expected) < 1e-9);
}

// ---- errors

TEST_CASE("gather_rows and scatter_rows name what is wrong", "[ops][gather_rows]") {
  auto const x = random_matrix<float>(4, 3, 42);
  Matrix<float> out(2, 3), wrong(3, 3);
  std::vector<NodeId> indices{3, 1};

  CHECK_THROWS_AS(gather_rows<float>({}, x.view(), view_of(indices), wrong.view()), ShapeError);
  CHECK_THROWS_AS(scatter_rows<float>({}, wrong.view(), view_of(indices), out.view()), ShapeError);
  CHECK_THROWS_AS(scatter_rows<float>({}, out.view(), view_of(indices), wrong.view()), IndexError);
  indices[1] = -1;
  CHECK_THROWS_WITH(gather_rows<float>({}, x.view(), view_of(indices), out.view()),
                    "gather_rows: indices: got -1 at position 1, expected values in [0, 4)");
}

// ---- determinism

TEMPLATE_TEST_CASE("scatter_rows gives the same bits for any number of threads",
                   "[ops][gather_rows]", float, double) {
  auto const rows = GENERATE(90, 10'000);  // dense and sparse
  auto const indices = random_indices(3000, 90, 43);
  auto const x = random_matrix<TestType>(3000, 70, 44);

  auto const one = scattered<TestType>({.threads = 1}, x, indices, rows);

  for (int const threads : {2, 3}) {
    CHECK(same_bits(one, scattered<TestType>({.threads = threads}, x, indices, rows)));
  }
}
