#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/ops/pair_score/pair_score.hpp>
#include <relweave/ops/pair_score/reference.hpp>

#include <support/device.hpp>
#include <support/gradient_check.hpp>
#include <support/random_graph.hpp>

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

struct Result {
  Matrix<float> scores;  // (1, pairs)
  Matrix<float> grad_a, grad_b;
};

/// Pairs between two tables, with gradients of which a third is 0, and what the gradients hold
/// before.
template <typename T>
struct Case {
  Matrix<float> a, b, grad_a, grad_b;
  std::vector<NodeId> a_rows, b_rows;
  std::vector<float> grad_out;

  Case(std::int64_t n_a, std::int64_t n_b, std::int64_t pairs, std::int64_t d)
      : a(stored_as<T>(random_matrix<float>(n_a, d, 90))),
        b(stored_as<T>(random_matrix<float>(n_b, d, 91))),
        grad_a(stored_as<T>(random_matrix<float>(n_a, d, 92))),
        grad_b(stored_as<T>(random_matrix<float>(n_b, d, 93))),
        a_rows(random_indices(pairs, n_a, 94)),
        b_rows(random_indices(pairs, n_b, 95)) {
    RandomStream random(96, Purpose::test, 0);
    for (std::int64_t p = 0; p < pairs; ++p) {
      grad_out.push_back(random.below(3) == 0 ? 0 : static_cast<float>(2 * random.uniform() - 1));
    }
  }

  Result run(Device& device, DeviceIndicesOptions const& options = {}) const {
    auto const ctx = device.context();
    DeviceIndices const from(ctx, view_of(a_rows), a.rows(), options);
    DeviceIndices const to(ctx, view_of(b_rows), b.rows(), options);
    auto const on_a = device.upload<T>(converted<T>(a).view());
    auto const on_b = device.upload<T>(converted<T>(b).view());
    auto on_grad_a = device.upload<T>(converted<T>(grad_a).view());
    auto on_grad_b = device.upload<T>(converted<T>(grad_b).view());
    auto const g = device.upload(view_of(grad_out));
    Buffer<float, Space::device> scores(g.size());

    pair_score<T>(ctx, on_a.view(), from.view(), on_b.view(), to.view(), scores.view());
    pair_score_backward<T>(ctx, on_a.view(), from, on_b.view(), to, g.view(), on_grad_a.view(),
                           on_grad_b.view());

    auto const got = device.download(scores);
    return {.scores = Matrix<float>::copy_of({got.data(), 1, got.size()}),
            .grad_a = converted<float>(device.download<T>(on_grad_a.view())),
            .grad_b = converted<float>(device.download<T>(on_grad_b.view()))};
  }

  Result run_reference() const {
    Result r{Matrix<float>(1, std::ssize(a_rows)), Matrix<float>::copy_of(grad_a.view()),
             Matrix<float>::copy_of(grad_b.view())};
    reference::pair_score<float>(a.view(), view_of(a_rows), b.view(), view_of(b_rows),
                                 r.scores.view().row(0));
    reference::pair_score_backward<float>(a.view(), view_of(a_rows), b.view(), view_of(b_rows),
                                          view_of(grad_out), r.grad_a.view(), r.grad_b.view());
    return r;
  }

  void check_against_reference(Device& device, DeviceIndicesOptions const& options = {}) const {
    auto const got = run(device, options);
    auto const expected = run_reference();
    auto const pairs = static_cast<double>(a_rows.size());
    auto const tolerance = [&](Matrix<float> const& table) {
      return rounding<T> + 4 * (pairs / static_cast<double>(table.rows()) + 20) * rounding<float>;
    };
    CHECK(largest_difference(got.scores, expected.scores) <=
          static_cast<double>(a.cols() + 8) * rounding<float>);
    CHECK(largest_difference(got.grad_a, expected.grad_a) <= tolerance(a));
    CHECK(largest_difference(got.grad_b, expected.grad_b) <= tolerance(b));
  }
};

}  // namespace

TEMPLATE_TEST_CASE("pair_score on a device agrees with the reference", "[ops][pair_score][gpu]",
                   float, bfloat16) {
  Device device;
  auto const d = GENERATE(1, 3, 16, 32, 37, 64, 100, 128, 200, 256);
  auto const pairs = GENERATE(1, 7, 300);
  CAPTURE(d, pairs);

  Case<TestType>(40, 23, pairs, d).check_against_reference(device);
}

TEMPLATE_TEST_CASE("pair_score on a device splits rows of many pairs", "[ops][pair_score][gpu]",
                   float, bfloat16) {
  Device device;
  auto const d = GENERATE(16, 37);
  auto const chunk = GENERATE(1, 100);
  CAPTURE(d, chunk);

  Case<TestType>(2, 50, 5000, d)
      .check_against_reference(device, {.hub_size = 90, .hub_chunk = chunk});
}

TEMPLATE_TEST_CASE("pair_score on a device takes more pairs than a grid has groups",
                   "[ops][pair_score][gpu]", float, bfloat16) {
  Device device;
  auto const d = GENERATE(5, 16);

  Case<TestType>(9000, 20'000, 40'000, d).check_against_reference(device);
}

TEST_CASE("pair_score on a device: both sides the same table and the same gradient",
          "[ops][pair_score][gpu]") {
  Device device;
  auto const ctx = device.context();
  Case<float> const c(30, 30, 400, 48);
  DeviceIndices const from(ctx, view_of(c.a_rows), 30);
  DeviceIndices const to(ctx, view_of(c.b_rows), 30);
  auto const table = device.upload<float>(c.a.view());
  auto grad = device.upload<float>(c.grad_a.view());
  auto const g = device.upload(view_of(c.grad_out));

  pair_score_backward<float>(ctx, table.view(), from, table.view(), to, g.view(), grad.view(),
                             grad.view());

  auto expected = Matrix<float>::copy_of(c.grad_a.view());
  reference::pair_score_backward<float>(c.a.view(), view_of(c.a_rows), c.a.view(),
                                        view_of(c.b_rows), view_of(c.grad_out), expected.view(),
                                        expected.view());
  CHECK(largest_difference(device.download<float>(grad.view()), expected) <= 200 * rounding<float>);
}

TEST_CASE("pair_score on a device takes strided and unaligned rows", "[ops][pair_score][gpu]") {
  Device device;
  auto const ctx = device.context();
  // Before rows of tables and of gradients: 4 floats keep them aligned.
  auto const [gap, grad_gap] =
      GENERATE(std::pair{0, 1}, std::pair{3, 0}, std::pair{4, 4}, std::pair{1, 4});
  Case<float> const c(20, 30, 250, 32);
  auto const wide = [&](Matrix<float> const& m, std::int64_t before) {
    Matrix<float> to = Matrix<float>::zeros(m.rows(), before + 32);
    for (std::int64_t r = 0; r < m.rows(); ++r) {
      std::copy_n(m.view().row_data(r), 32, to.view().row_data(r) + before);
    }
    return device.upload<float>(to.view());
  };
  auto const a = wide(c.a, gap);
  auto const b = wide(c.b, 0);
  auto grad_a = wide(c.grad_a, grad_gap);
  auto grad_b = wide(c.grad_b, grad_gap);
  DeviceIndices const from(ctx, view_of(c.a_rows), 20);
  DeviceIndices const to(ctx, view_of(c.b_rows), 30);
  auto const g = device.upload(view_of(c.grad_out));
  Buffer<float, Space::device> scores(g.size());

  pair_score<float>(ctx, a.view().col_slice(gap, 32), from.view(), b.view(), to.view(),
                    scores.view());
  pair_score_backward<float>(ctx, a.view().col_slice(gap, 32), from, b.view(), to, g.view(),
                             grad_a.view().col_slice(grad_gap, 32),
                             grad_b.view().col_slice(grad_gap, 32));

  auto const expected = c.run_reference();
  auto const got_scores = device.download(scores);
  auto const got_a = device.download<float>(grad_a.view());
  auto const got_b = device.download<float>(grad_b.view());
  CHECK(largest_difference<float>({got_scores.data(), 1, got_scores.size()},
                                  expected.scores.view()) <= 40 * rounding<float>);
  CHECK(largest_difference<float>(got_a.view().col_slice(grad_gap, 32), expected.grad_a.view()) <=
        200 * rounding<float>);
  CHECK(largest_difference<float>(got_b.view().col_slice(grad_gap, 32), expected.grad_b.view()) <=
        200 * rounding<float>);
  auto const before = got_a.view().col_slice(0, grad_gap);
  CHECK(inner_product<float>(before, before) == 0);
}

TEST_CASE("pair_score on a device: NaN reaches its own score, and no gradient through a zero",
          "[ops][pair_score][gpu]") {
  Device device;
  auto const d = GENERATE(16, 21);
  Case<float> c(5, 5, 3, d);
  c.a_rows = {0, 1, 2};
  c.b_rows = {4, 3, 3};
  c.grad_out = {0, 1, std::nanf("")};
  c.b.view()(4, 1) = std::nanf("");

  auto const got = c.run(device);

  CHECK(std::isnan(got.scores.data()[0]));
  CHECK(!std::isnan(got.scores.data()[1]));
  CHECK(got.grad_a.view()(0, 1) == c.grad_a.view()(0, 1));
  CHECK(!std::isnan(got.grad_a.view()(1, 1)));
  CHECK(std::isnan(got.grad_a.view()(2, 0)));
  CHECK(got.grad_b.view()(4, 0) == c.grad_b.view()(4, 0));
}

TEST_CASE("pair_score on a device: no pairs and no features", "[ops][pair_score][gpu]") {
  Device device;
  Case<float> const none(4, 3, 0, 16);
  auto const empty = none.run(device);
  CHECK(same_bits(empty.grad_a, none.grad_a));
  CHECK(same_bits(empty.grad_b, none.grad_b));

  Case<float> const narrow(4, 3, 5, 0);
  CHECK(same_bits(narrow.run(device).scores, Matrix<float>::zeros(1, 5)));
}

TEST_CASE("pair_score on a device refuses what does not fit", "[ops][pair_score][gpu]") {
  Device device;
  auto const ctx = device.context();
  std::vector<NodeId> const rows{0, 1, 1}, fewer{0, 1};
  DeviceIndices const three(ctx, view_of(rows), 4, {.hub_size = 1});
  DeviceIndices const two(ctx, view_of(fewer), 4);
  DeviceIndices const elsewhere(ctx, view_of(rows), 5);
  Matrix<float, Space::device> a(4, 16), narrow(4, 15);
  Buffer<float, Space::device> scores(3), few(2);
  auto no_stream = ctx;
  no_stream.stream = nullptr;
  auto no_workspace = ctx;
  no_workspace.workspace = nullptr;
  auto const forward = [&](MatrixView<float, Space::device> b, DeviceIndices const& b_rows,
                           VectorView<float, Space::device> out) {
    pair_score<float>(ctx, a.view(), three.view(), b, b_rows.view(), out);
  };
  auto const backward = [&](CudaContext const& with, DeviceIndices const& b_rows,
                            VectorView<float, Space::device> grad_out,
                            MatrixView<float, Space::device> grad_a,
                            MatrixView<float, Space::device> grad_b) {
    pair_score_backward<float>(with, a.view(), three, a.view(), b_rows, grad_out, grad_a, grad_b);
  };

  CHECK_THROWS_WITH(forward(narrow.view(), three, scores.view()),
                    "pair_score: b: got shape (4, 15), expected shape (4, 16)");
  CHECK_THROWS_WITH(forward(a.view(), two, scores.view()),
                    "pair_score: b_rows: got 2 elements, expected 3 elements");
  CHECK_THROWS_WITH(forward(a.view(), three, few.view()), Catch::Contains("out: got 2 elements"));
  CHECK_THROWS_WITH(backward(ctx, two, scores.view(), a.view(), a.view()),
                    Catch::Contains("b_rows: got 2 elements"));
  CHECK_THROWS_WITH(backward(ctx, elsewhere, scores.view(), a.view(), a.view()),
                    Catch::Contains("b_rows: got indices of a table of 5 rows"));
  CHECK_THROWS_WITH(backward(ctx, three, few.view(), a.view(), a.view()),
                    Catch::Contains("grad_out: got 2 elements"));
  CHECK_THROWS_WITH(backward(ctx, three, scores.view(), narrow.view(), a.view()),
                    Catch::Contains("grad_a: got shape (4, 15)"));
  CHECK_THROWS_WITH(backward(ctx, three, scores.view(), a.view(), narrow.view()),
                    Catch::Contains("grad_b: got shape (4, 15)"));
  CHECK_THROWS_AS(backward(no_stream, three, scores.view(), a.view(), a.view()), DeviceError);
  CHECK_THROWS_WITH(backward(no_workspace, three, scores.view(), a.view(), a.view()),
                    Catch::Contains("pair_score_backward: workspace: got 0 bytes"));
}

TEMPLATE_TEST_CASE("pair_score on a device gives the same bits again", "[ops][pair_score][gpu]",
                   float, bfloat16) {
  Device device;
  auto const d = GENERATE(64, 100);
  Case<TestType> const c(3, 200, 6000, d);

  auto const first = c.run(device);
  auto const second = c.run(device);

  CHECK(same_bits(first.scores, second.scores));
  CHECK(same_bits(first.grad_a, second.grad_a));
  CHECK(same_bits(first.grad_b, second.grad_b));
}
