#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/ops/segment_mean/reference.hpp>
#include <relweave/ops/segment_mean/segment_mean.hpp>

#include <support/gradient_check.hpp>
#include <support/instruction_sets.hpp>
#include <support/random_graph.hpp>
#include <support/rounded.hpp>

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

constexpr double epsilon = std::numeric_limits<float>::epsilon();

/// Random segments over a table in bfloat16, weights in float.
struct Case {
  OwnedCsr rows;
  std::vector<float> weights;
  Matrix<bfloat16> x, grad_out;
  SegmentMeanParams params;

  Case(RandomCsrOptions options, std::int64_t d, bool weighted, SegmentMeanParams const& p)
      : params(p) {
    options.relations = 1;
    rows = random_csr(options);
    x = random_bfloat16(rows.message_rows, d, 20);
    grad_out = random_bfloat16(rows.n_dst, d, 21);
    RandomStream random(1, Purpose::test, 22);
    for (std::size_t e = 0; weighted && e < rows.cols.size(); ++e) {
      weights.push_back(random.uniform_float());
    }
  }

  Segments<float> segments() const {
    return {.offsets = view_of(rows.row_offsets),
            .indices = view_of(rows.cols),
            .weights = view_of(weights)};
  }
  Matrix<bfloat16> forward(HostContext const& ctx) const {
    auto out = random_bfloat16(rows.n_dst, x.cols(), 23);
    segment_mean<bfloat16>(ctx, segments(), x.view(), params, out.view());
    return out;
  }
  Matrix<bfloat16> backward(HostContext const& ctx) const {
    auto grad_x = random_bfloat16(x.rows(), x.cols(), 24);
    segment_mean_backward<bfloat16>(ctx, segments(), grad_out.view(), params, grad_x.view());
    return grad_x;
  }

  void check_against_reference(Matrix<bfloat16> const& out, Matrix<bfloat16> const& grad_x,
                               std::int64_t longest) const {
    std::vector<double> const wide(weights.begin(), weights.end());
    Segments<double> const in_double{.offsets = view_of(rows.row_offsets),
                                     .indices = view_of(rows.cols),
                                     .weights = view_of(wide)};
    auto expected_out = converted<double>(random_bfloat16(rows.n_dst, x.cols(), 23));
    reference::segment_mean<double>(in_double, converted<double>(x).view(), params,
                                    expected_out.view());
    Matrix<double> expected_grad(x.rows(), x.cols());
    reference::segment_mean_backward<double>(in_double, converted<double>(grad_out).view(), params,
                                             expected_grad.view());
    double const sum_error = 2 * epsilon * static_cast<double>(longest);
    CHECK(rounded_once(out, expected_out, sum_error));
    CHECK(rounded_once(grad_x, expected_grad, sum_error));
  }
};

}  // namespace

TEST_CASE("segment_mean in bfloat16 is the reference's result, rounded once",
          "[ops][segment_mean][bfloat16]") {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const d = GENERATE(1, 5, 16, 64, 130, 515);
  auto const weighted = GENERATE(false, true);
  auto const reduce = GENERATE(Reduce::mean, Reduce::sum);
  auto const accumulate = GENERATE(false, true);
  Case const c({.n_dst = 41}, d, weighted, {reduce, accumulate});

  auto const out = c.forward({.threads = 2, .isa = isa});
  auto const grad_x = c.backward({.threads = 2, .isa = isa});

  CAPTURE(isa_name(isa), d, weighted, static_cast<int>(reduce), accumulate);
  c.check_against_reference(out, grad_x, 20);
}

TEST_CASE("segment_mean in bfloat16 sums long segments in float, and keeps to strided rows",
          "[ops][segment_mean][bfloat16]") {
  auto const sources = GENERATE(300, 120'000);  // many sums per row, and more rows than a cache has
  Case const c({.n_dst = 5, .sources = sources, .hub_degree = 50'000}, 19, true, {});
  StridedMatrix<bfloat16> x(c.x.view(), 3), out(5, 19, 2), grad_x(sources, 19, 4);

  segment_mean<bfloat16>({}, c.segments(), x.view(), {}, out.view());
  segment_mean_backward<bfloat16>({}, c.segments(), c.grad_out.view(), {}, grad_x.view());

  CHECK(same_bits(Matrix<bfloat16>::copy_of(out.view()), c.forward({})));
  CHECK(same_bits(Matrix<bfloat16>::copy_of(grad_x.view()), c.backward({})));
  CHECK((out.intact() && grad_x.intact()));
  c.check_against_reference(c.forward({}), c.backward({}), 1000);
}

TEST_CASE("segment_mean rounds every float as bfloat16(float) does, in registers of every width",
          "[ops][segment_mean][bfloat16]") {
  auto const isa = GENERATE(from_range(instruction_sets()));
  constexpr std::int64_t d = 31;  // 16 + 8 + 4 + 2 + 1 elements
  std::vector<float> const weights = floats_to_round();
  std::int64_t const n = std::ssize(weights);
  std::vector<std::int64_t> offsets;
  for (std::int64_t s = 0; s <= n; ++s) {
    offsets.push_back(s);
  }
  std::vector<NodeId> const first_row(weights.size(), 0);
  Matrix<float> ones(1, d);
  std::fill_n(ones.data(), d, 1.0F);
  Matrix<bfloat16> out(n, d);

  segment_mean<bfloat16>(
      {.isa = isa},
      {.offsets = view_of(offsets), .indices = view_of(first_row), .weights = view_of(weights)},
      converted<bfloat16>(ones).view(), {Reduce::sum}, out.view());

  for (std::int64_t s = 0; s < n; ++s) {
    // a sum starts from 0, which takes the sign of -0 away
    auto const expected = bfloat16(weights[static_cast<std::size_t>(s)] + 0.0F).bits;
    REQUIRE(std::all_of(out.view().row(s).begin(), out.view().row(s).end(),
                        [&](bfloat16 x) { return x.bits == expected; }));
  }
}

TEST_CASE("segment_mean in bfloat16 lets NaN through and gives empty segments 0",
          "[ops][segment_mean][bfloat16]") {
  auto const x = converted<bfloat16>(Matrix<float>::from_rows({{1, 2}, {std::nanf(""), 4}}));
  std::vector<std::int64_t> const offsets{0, 2, 2};
  std::vector<NodeId> const indices{0, 1};
  Matrix<bfloat16> out(2, 2);

  segment_mean<bfloat16>({}, {.offsets = view_of(offsets), .indices = view_of(indices)}, x.view(),
                         {}, out.view());

  auto const numbers = converted<float>(out);
  CHECK(std::isnan(numbers.view()(0, 0)));
  CHECK(numbers.view()(0, 1) == 3);
  CHECK((numbers.view()(1, 0) == 0 && numbers.view()(1, 1) == 0));
}

TEST_CASE("segment_mean in bfloat16 gives the same bits for any number of threads",
          "[ops][segment_mean][bfloat16]") {
  Case const c({.n_dst = 4000, .sources = 100, .largest_degree = 30}, 40, true, {});

  auto const out = c.forward({.threads = 1});
  auto const grad_x = c.backward({.threads = 1});

  for (int const threads : {2, 3}) {
    CHECK(same_bits(out, c.forward({.threads = threads})));
    CHECK(same_bits(grad_x, c.backward({.threads = threads})));
  }
}

TEST_CASE("segment_mean in bfloat16 names what is wrong", "[ops][segment_mean][bfloat16]") {
  Case const c({.n_dst = 6}, 4, true, {});
  Matrix<bfloat16> out(6, 3), grad_x(c.x.rows(), 3);

  CHECK_THROWS_AS(segment_mean<bfloat16>({}, c.segments(), c.x.view(), {}, out.view()), ShapeError);
  CHECK_THROWS_AS(
      segment_mean_backward<bfloat16>({}, c.segments(), c.grad_out.view(), {}, grad_x.view()),
      ShapeError);
}
