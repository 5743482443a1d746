#include <catch2/catch.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/ops/gather_rows/gather_rows.hpp>
#include <relweave/ops/gather_rows/reference.hpp>

#include <support/gradient_check.hpp>
#include <support/instruction_sets.hpp>
#include <support/random_graph.hpp>
#include <support/rounded.hpp>

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

constexpr double epsilon = std::numeric_limits<float>::epsilon();

Matrix<bfloat16> scattered(HostContext const& ctx, Matrix<bfloat16> const& x,
                           std::vector<NodeId> const& indices, std::int64_t rows) {
  auto out = random_bfloat16(rows, x.cols(), 30);
  scatter_rows<bfloat16>(ctx, x.view(), view_of(indices), out.view());
  return out;
}

}  // namespace

TEST_CASE("gather_rows copies bfloat16, scatter_rows rounds its sums once",
          "[ops][gather_rows][bfloat16]") {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const d = GENERATE(1, 7, 16, 100, 128, 257);
  auto const [count, rows] = GENERATE(table<std::int64_t, std::int64_t>(
      {{0, 60}, {5, 60}, {400, 60}, {4000, 3}, {400, 5000}}));  // few rows, hubs, a sparse list
  auto const indices = random_indices(count, rows, 31);
  auto const values = random_bfloat16(rows, d, 32);
  auto const x = random_bfloat16(count, d, 33);
  HostContext const ctx{.threads = 2, .isa = isa};

  Matrix<bfloat16> gathered(count, d), expected_gathered(count, d);
  gather_rows<bfloat16>(ctx, values.view(), view_of(indices), gathered.view());
  auto const out = scattered(ctx, x, indices, rows);

  Matrix<double> expected(count, d);
  reference::gather_rows<double>(converted<double>(values).view(), view_of(indices),
                                 expected.view());
  CAPTURE(isa_name(isa), d, count, rows);
  CHECK(same_bits(gathered, converted<bfloat16>(expected)));
  auto sums = converted<double>(random_bfloat16(rows, d, 30));
  reference::scatter_rows<double>(converted<double>(x).view(), view_of(indices), sums.view());
  CHECK(rounded_once(out, sums, epsilon * static_cast<double>(count)));
}

TEST_CASE("scatter_rows adds small bfloat16 numbers to a large one, in long and in short tables",
          "[ops][gather_rows][bfloat16]") {
  // 256 + 1 is 256 in bfloat16: a sum that was rounded on its way would stay there.
  auto const rows = GENERATE(2, 100'000);
  std::vector<NodeId> indices;
  for (int i = 0; i < 256; ++i) {
    indices.insert(indices.end(), {0, 1});  // neighbors take turns
  }
  Matrix<float> ones(512, 1);
  std::fill_n(ones.data(), 512, 1.0F);
  auto start = Matrix<float>::zeros(rows, 1);
  std::fill_n(start.data(), 2, 256.0F);
  auto out = converted<bfloat16>(start);

  scatter_rows<bfloat16>({}, converted<bfloat16>(ones).view(), view_of(indices), out.view());

  CHECK(static_cast<float>(out.view()(0, 0)) == 512);
  CHECK(static_cast<float>(out.view()(1, 0)) == 512);
}

TEST_CASE("gather_rows and scatter_rows in bfloat16 keep to strided rows, NaN to its own",
          "[ops][gather_rows][bfloat16]") {
  auto const indices = random_indices(300, 80, 34);
  auto values = random_bfloat16(300, 21, 35);
  values.view()(7, 3) = bfloat16(std::nanf(""));
  auto const start = random_bfloat16(80, 21, 30);
  StridedMatrix<bfloat16> x(values.view(), 3), out(start.view(), 2), gathered(300, 21, 5);

  gather_rows<bfloat16>({}, out.view(), view_of(indices), gathered.view());
  scatter_rows<bfloat16>({}, x.view(), view_of(indices), out.view());

  Matrix<bfloat16> expected(300, 21);
  gather_rows<bfloat16>({}, start.view(), view_of(indices), expected.view());
  CHECK(same_bits(Matrix<bfloat16>::copy_of(gathered.view()), expected));
  CHECK(same_bits(Matrix<bfloat16>::copy_of(out.view()), scattered({}, values, indices, 80)));
  CHECK((out.intact() && gathered.intact()));
  for (std::int64_t r = 0; r < 80; ++r) {
    for (std::int64_t f = 0; f < 21; ++f) {
      bool const hit = r == indices[7] && f == 3;
      REQUIRE(std::isnan(static_cast<float>(out.view()(r, f))) == hit);
    }
  }
}

TEST_CASE("scatter_rows in bfloat16 gives the same bits for any number of threads",
          "[ops][gather_rows][bfloat16]") {
  auto const rows = GENERATE(90, 10'000);  // dense and sparse
  auto const indices = random_indices(3000, 90, 43);
  auto const x = random_bfloat16(3000, 70, 44);

  auto const one = scattered({.threads = 1}, x, indices, rows);

  for (int const threads : {2, 3}) {
    CHECK(same_bits(one, scattered({.threads = threads}, x, indices, rows)));
  }
}

TEST_CASE("gather_rows and scatter_rows in bfloat16 name what is wrong",
          "[ops][gather_rows][bfloat16]") {
  auto const x = random_bfloat16(4, 3, 42);
  std::vector<NodeId> const indices{3, 1, 4};
  Matrix<bfloat16> out(3, 3), wrong(2, 3);

  CHECK_THROWS_AS(gather_rows<bfloat16>({}, x.view(), view_of(indices), wrong.view()), ShapeError);
  CHECK_THROWS_AS(gather_rows<bfloat16>({}, x.view(), view_of(indices), out.view()), IndexError);
  CHECK_THROWS_AS(scatter_rows<bfloat16>({}, wrong.view(), view_of(indices), out.view()),
                  ShapeError);
}
