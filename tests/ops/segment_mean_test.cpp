#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/ops/segment_mean/reference.hpp>
#include <relweave/ops/segment_mean/segment_mean.hpp>

#include <support/gradient_check.hpp>
#include <support/instruction_sets.hpp>
#include <support/random_graph.hpp>

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

/// Random segments over a table: some empty, entries repeated.
template <typename T>
struct Case {
  OwnedCsr rows;
  std::vector<T> weights;
  Matrix<T> x, grad_out;
  SegmentMeanParams params;

  Case(RandomCsrOptions options, std::int64_t d, bool weighted, SegmentMeanParams const& p)
      : params(p) {
    options.relations = 1;
    rows = random_csr(options);
    x = random_matrix<T>(rows.message_rows, d, 20);
    grad_out = random_matrix<T>(rows.n_dst, d, 21);
    RandomStream random(1, Purpose::test, 22);
    for (std::size_t e = 0; weighted && e < rows.cols.size(); ++e) {
      weights.push_back(static_cast<T>(random.uniform()));
    }
  }

  Segments<T> segments() const {
    return {.offsets = view_of(rows.row_offsets),
            .indices = view_of(rows.cols),
            .weights = view_of(weights)};
  }
  Matrix<T> forward(HostContext const& ctx) const {
    Matrix<T> out = random_matrix<T>(rows.n_dst, x.cols(), 23);
    segment_mean<T>(ctx, segments(), x.view(), params, out.view());
    return out;
  }
  Matrix<T> backward(HostContext const& ctx) const {
    Matrix<T> grad_x = random_matrix<T>(x.rows(), x.cols(), 24);
    segment_mean_backward<T>(ctx, segments(), grad_out.view(), params, grad_x.view());
    return grad_x;
  }
};

template <typename T>
double tolerance(std::int64_t length) {
  return 2 * static_cast<double>(std::numeric_limits<T>::epsilon()) * static_cast<double>(length);
}

}  // namespace

// ---- by hand, on the reference

TEST_CASE("reference segment_mean: weights, empty and weightless segments", "[ops][segment_mean]") {
  std::vector<std::int64_t> const offsets{0, 2, 2, 3};
  std::vector<NodeId> const indices{1, 0, 1};
  std::vector<double> const weights{3, 1, 0};
  Segments<double> const segments{view_of(offsets), view_of(indices), view_of(weights)};
  auto const x = Matrix<double>::from_rows({{1, 2}, {5, 10}});
  auto out = Matrix<double>::from_rows({{7, 7}, {7, 7}, {7, 7}});

  reference::segment_mean<double>(segments, x.view(), {}, out.view());
  CHECK(same_bits(out, Matrix<double>::from_rows({{4, 8}, {0, 0}, {0, 0}})));

  reference::segment_mean<double>(segments, x.view(), {Reduce::sum, true}, out.view());
  CHECK(same_bits(out, Matrix<double>::from_rows({{20, 40}, {0, 0}, {0, 0}})));

  Matrix<double> grad_x(2, 2);
  auto const grad_out = Matrix<double>::from_rows({{1, 2}, {100, 100}, {1000, 1000}});
  reference::segment_mean_backward<double>(segments, grad_out.view(), {}, grad_x.view());
  CHECK(same_bits(grad_x, Matrix<double>::from_rows({{0.25, 0.5}, {0.75, 1.5}})));
}

// ---- backend against reference

TEMPLATE_TEST_CASE("segment_mean agrees with its reference", "[ops][segment_mean]", float, double) {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const d = GENERATE(1, 5, 16, 64, 130, 515);
  auto const weighted = GENERATE(false, true);
  auto const reduce = GENERATE(Reduce::mean, Reduce::sum);
  auto const accumulate = GENERATE(false, true);
  Case<TestType> const c({.n_dst = 41}, d, weighted, {reduce, accumulate});

  auto const out = c.forward({.threads = 2, .isa = isa});
  auto const grad_x = c.backward({.threads = 2, .isa = isa});

  auto expected_out = random_matrix<TestType>(41, d, 23);
  reference::segment_mean<TestType>(c.segments(), c.x.view(), c.params, expected_out.view());
  Matrix<TestType> expected_grad(c.x.rows(), d);
  reference::segment_mean_backward<TestType>(c.segments(), c.grad_out.view(), c.params,
                                             expected_grad.view());
  CAPTURE(isa_name(isa), d, weighted);
  CHECK(largest_difference(out, expected_out) <= tolerance<TestType>(10));
  CHECK(largest_difference(grad_x, expected_grad) <= tolerance<TestType>(20));
}

TEST_CASE("segment_mean handles a long segment, strided rows and an empty batch",
          "[ops][segment_mean]") {
  Case<float> const c({.n_dst = 5, .sources = 3000, .hub_degree = 50'000}, 19, true, {});
  StridedMatrix<float> x(c.x.view(), 3), out(5, 19, 2), grad_x(3000, 19, 4);

  segment_mean<float>({}, c.segments(), x.view(), {}, out.view());
  segment_mean_backward<float>({}, c.segments(), c.grad_out.view(), {}, grad_x.view());
  std::vector<std::int64_t> const none{0};
  segment_mean<float>({}, {.offsets = view_of(none)}, c.x.view(), {},
                      MatrixView<float>{nullptr, 0, 19});

  CHECK(same_bits(Matrix<float>::copy_of(out.view()), c.forward({})));
  CHECK(same_bits(Matrix<float>::copy_of(grad_x.view()), c.backward({})));
  CHECK((out.intact() && grad_x.intact()));
  Matrix<float> expected(5, 19);
  reference::segment_mean<float>(c.segments(), c.x.view(), {}, expected.view());
  CHECK(largest_difference(c.forward({}), expected) <= tolerance<float>(1000));
}

TEST_CASE("segment_mean takes a slice of the segments", "[ops][segment_mean]") {
  Case<float> const c({.n_dst = 30}, 33, true, {});
  auto slice = c.segments();
  slice.offsets = slice.offsets.slice(10, 6);
  Matrix<float> part(5, 33);

  segment_mean<float>({}, slice, c.x.view(), {}, part.view());

  CHECK(same_bits(part, Matrix<float>::copy_of(c.forward({}).view().row_slice(10, 5))));
}

TEST_CASE("segment_mean lets NaN through", "[ops][segment_mean]") {
  auto x = Matrix<float>::from_rows({{1, 2}, {std::nanf(""), 4}});
  std::vector<std::int64_t> const offsets{0, 2};
  std::vector<NodeId> const indices{0, 1};
  Matrix<float> out(1, 2);

  segment_mean<float>({}, {view_of(offsets), view_of(indices), {}}, x.view(), {}, out.view());

  CHECK(std::isnan(out.view()(0, 0)));
  CHECK(out.view()(0, 1) == 3);
}

// ---- algebra

TEST_CASE("segment_mean of equal rows is that row, and its backward is the transpose",
          "[ops][segment_mean]") {
  auto const weighted = GENERATE(false, true);
  Case<double> c({.n_dst = 50}, 7, weighted, {});
  CHECK(inner_product<double>(c.grad_out.view(), c.forward({}).view()) ==
        Approx(inner_product<double>(c.backward({}).view(), c.x.view())));

  for (std::int64_t j = 0; j < c.x.rows(); ++j) {
    std::copy_n(c.x.data(), 7, c.x.view().row_data(j));
  }
  auto const out = c.forward({});
  for (std::int64_t s = 0; s < 50; ++s) {
    bool const empty = c.rows.row_offsets[static_cast<std::size_t>(s)] ==
                       c.rows.row_offsets[static_cast<std::size_t>(s) + 1];
    CHECK(out.view()(s, 3) == Approx(empty ? 0 : c.x.view()(0, 3)));
  }
}

// ---- gradients

TEST_CASE("segment_mean's gradient matches central differences", "[ops][segment_mean]") {
  auto const weighted = GENERATE(false, true);
  auto const reduce = GENERATE(Reduce::mean, Reduce::sum);
  Case<double> c({.n_dst = 9, .sources = 8}, 4, weighted, {reduce});

  auto const expected = numerical_gradient(
      c.x.view(), [&] { return inner_product<double>(c.grad_out.view(), c.forward({}).view()); });

  CHECK(largest_difference(c.backward({}), expected) < 1e-8);
}

// ---- errors

TEST_CASE("segment_mean names what is wrong", "[ops][segment_mean]") {
  Case<float> c({.n_dst = 6}, 4, true, {});
  Matrix<float> out(6, 4);
  auto const run = [&](Segments<float> const& segments, SegmentMeanParams const& params) {
    segment_mean<float>({}, segments, c.x.view(), params, out.view());
  };
  CHECK_NOTHROW(run(c.segments(), {}));

  CHECK_THROWS_AS(run(c.segments(), {.reduce = Reduce::max}), ConfigError);
  CHECK_THROWS_WITH(run(c.segments(), {.reduce = Reduce::max}),
                    "segment_mean: params.reduce: got max, expected mean or sum");
  CHECK_THROWS_AS(run({}, {}), ShapeError);
  auto segments = c.segments();
  segments.weights = segments.weights.slice(0, 1);
  CHECK_THROWS_AS(run(segments, {}), ShapeError);
  out.reset(5, 4);
  CHECK_THROWS_AS(run(c.segments(), {}), ShapeError);
  out.reset(6, 4);

  c.rows.cols[2] = static_cast<NodeId>(c.x.rows());
  CHECK_THROWS_AS(run(c.segments(), {}), IndexError);
  c.rows.cols[2] = 0;
  c.rows.row_offsets[0] = -1;
  CHECK_THROWS_AS(run(c.segments(), {}), IndexError);
  c.rows.row_offsets[0] = 100;
  CHECK_THROWS_AS(run(c.segments(), {}), IndexError);
  c.rows.row_offsets[0] = 0;
  c.rows.row_offsets.back() += 1;
  CHECK_THROWS_AS(run(c.segments(), {}), IndexError);
  c.rows.row_offsets.back() -= 1;
  Matrix<float> grad_x(c.x.rows(), 3);
  CHECK_THROWS_AS(
      segment_mean_backward<float>({}, c.segments(), c.grad_out.view(), {}, grad_x.view()),
      ShapeError);
}

// ---- determinism

TEMPLATE_TEST_CASE("segment_mean gives the same bits for any number of threads",
                   "[ops][segment_mean]", float, double) {
  auto const sources = GENERATE(100, 120'000);  // packed sums, and sums in place
  Case<TestType> const c({.n_dst = 4000, .sources = sources, .largest_degree = 30}, 40, true, {});

  auto const out = c.forward({.threads = 1});
  auto const grad_x = c.backward({.threads = 1});

  for (int const threads : {2, 3}) {
    CHECK(same_bits(out, c.forward({.threads = threads})));
    CHECK(same_bits(grad_x, c.backward({.threads = threads})));
  }
}
