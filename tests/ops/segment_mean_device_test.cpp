#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/ops/segment_mean/reference.hpp>
#include <relweave/ops/segment_mean/segment_mean.hpp>

#include <support/device.hpp>
#include <support/gradient_check.hpp>
#include <support/random_graph.hpp>

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

struct Result {
  Matrix<float> out, grad_x;
};

/// Random segments over a table: some empty, entries repeated.
template <typename T>
struct Case {
  OwnedCsr rows;
  std::vector<float> weights;
  Matrix<float> x, grad_out, before;
  SegmentMeanParams params;

  Case(RandomCsrOptions options, std::int64_t d, bool weighted, SegmentMeanParams const& p)
      : params(p) {
    options.relations = 1;
    rows = random_csr(options);
    x = stored_as<T>(random_matrix<float>(rows.message_rows, d, 100));
    grad_out = stored_as<T>(random_matrix<float>(rows.n_dst, d, 101));
    before = stored_as<T>(random_matrix<float>(rows.n_dst, d, 102));
    RandomStream random(1, Purpose::test, 103);
    for (std::size_t e = 0; weighted && e < rows.cols.size(); ++e) {
      weights.push_back(static_cast<float>(random.uniform()));
    }
  }

  Segments<float> segments() const {
    return {.offsets = view_of(rows.row_offsets),
            .indices = view_of(rows.cols),
            .weights = view_of(weights)};
  }

  Result run(Device& device, DeviceIndicesOptions const& options = {}) const {
    auto const ctx = device.context();
    DeviceSegments const on_device(ctx, segments(), x.rows(), options);
    auto const table = device.upload<T>(converted<T>(x).view());
    auto const g = device.upload<T>(converted<T>(grad_out).view());
    auto out = device.upload<T>(converted<T>(before).view());
    Matrix<T, Space::device> grad_x(x.rows(), x.cols());

    segment_mean<T>(ctx, on_device, table.view(), params, out.view());
    segment_mean_backward<T>(ctx, on_device, g.view(), params, grad_x.view());

    return {.out = converted<float>(device.download<T>(out.view())),
            .grad_x = converted<float>(device.download<T>(grad_x.view()))};
  }

  Result run_reference() const {
    Result r{Matrix<float>::copy_of(before.view()), Matrix<float>(x.rows(), x.cols())};
    reference::segment_mean<float>(segments(), x.view(), params, r.out.view());
    reference::segment_mean_backward<float>(segments(), grad_out.view(), params, r.grad_x.view());
    return r;
  }

  void check_against_reference(Device& device, DeviceIndicesOptions const& options = {}) const {
    auto const got = run(device, options);
    auto const expected = run_reference();
    auto const tolerance = [](EdgeOffset length) {
      return rounding<T> + 4 * static_cast<double>(length + 8) * rounding<float>;
    };
    EdgeOffset longest = 0;
    for (std::size_t s = 0; s + 1 < rows.row_offsets.size(); ++s) {
      longest = std::max(longest, rows.row_offsets[s + 1] - rows.row_offsets[s]);
    }
    auto const named = std::ssize(rows.cols) / std::max<std::int64_t>(x.rows(), 1);
    CHECK(largest_difference(got.out, expected.out) <= tolerance(longest));
    CHECK(largest_difference(got.grad_x, expected.grad_x) <= tolerance(2 * named + 20));
  }
};

}  // namespace

TEMPLATE_TEST_CASE("segment_mean on a device agrees with its reference", "[ops][segment_mean][gpu]",
                   float, bfloat16) {
  Device device;
  auto const d = GENERATE(1, 3, 16, 32, 37, 64, 128, 200, 256);
  auto const weighted = GENERATE(false, true);
  auto const reduce = GENERATE(Reduce::mean, Reduce::sum);
  auto const accumulate = GENERATE(false, true);
  CAPTURE(d, weighted, static_cast<int>(reduce), accumulate);

  Case<TestType>({.n_dst = 41}, d, weighted, {reduce, accumulate}).check_against_reference(device);
}

TEMPLATE_TEST_CASE("segment_mean on a device splits long segments and rows of many entries",
                   "[ops][segment_mean][gpu]", float, bfloat16) {
  Device device;
  auto const d = GENERATE(16, 37);
  auto const weighted = GENERATE(false, true);
  auto const sources = GENERATE(3, 3000);
  CAPTURE(d, weighted, sources);

  Case<TestType>({.n_dst = 5, .sources = sources, .hub_degree = 10'000}, d, weighted, {})
      .check_against_reference(device, {.hub_size = 300, .hub_chunk = 130});
}

TEMPLATE_TEST_CASE("segment_mean on a device takes more segments than a grid has groups",
                   "[ops][segment_mean][gpu]", float, bfloat16) {
  Device device;
  auto const d = GENERATE(5, 16);

  Case<TestType>({.n_dst = 20'000, .sources = 20'000}, d, true, {}).check_against_reference(device);
}

TEST_CASE("segment_mean on a device takes strided and unaligned rows", "[ops][segment_mean][gpu]") {
  Device device;
  auto const ctx = device.context();
  // Before rows that are read and that are written: 4 floats keep them aligned.
  auto const [from_gap, to_gap] =
      GENERATE(std::pair{0, 1}, std::pair{3, 0}, std::pair{4, 4}, std::pair{1, 4});
  Case<float> const c({.n_dst = 30}, 32, true, {});
  auto const wide = [](Matrix<float> const& m, std::int64_t before) {
    auto to = random_matrix<float>(m.rows(), before + 32, 104);
    for (std::int64_t r = 0; r < m.rows(); ++r) {
      std::copy_n(m.view().row_data(r), 32, to.view().row_data(r) + before);
    }
    return to;
  };
  auto const x = device.upload<float>(wide(c.x, from_gap).view());
  auto const grad_out = device.upload<float>(wide(c.grad_out, from_gap).view());
  auto out = device.upload<float>(wide(c.before, to_gap).view());
  auto const untouched = wide(c.x, to_gap);
  auto grad_x = device.upload<float>(untouched.view());
  DeviceSegments const segments(ctx, c.segments(), c.x.rows());

  segment_mean<float>(ctx, segments, x.view().col_slice(from_gap, 32), {},
                      out.view().col_slice(to_gap, 32));
  segment_mean_backward<float>(ctx, segments, grad_out.view().col_slice(from_gap, 32), {},
                               grad_x.view().col_slice(to_gap, 32));

  auto const expected = c.run_reference();
  auto const got_out = device.download<float>(out.view());
  auto const got_grad = device.download<float>(grad_x.view());
  CHECK(largest_difference<float>(got_out.view().col_slice(to_gap, 32), expected.out.view()) <=
        40 * rounding<float>);
  CHECK(largest_difference<float>(got_grad.view().col_slice(to_gap, 32), expected.grad_x.view()) <=
        100 * rounding<float>);
  CHECK(largest_difference<float>(got_grad.view().col_slice(0, to_gap),
                                  untouched.view().col_slice(0, to_gap)) == 0);
}

TEST_CASE("segment_mean on a device takes a slice of the segments", "[ops][segment_mean][gpu]") {
  Device device;
  auto const ctx = device.context();
  Case<float> const c({.n_dst = 30}, 33, true, {});
  auto slice = c.segments();
  slice.offsets = slice.offsets.slice(10, 6);
  DeviceSegments const segments(ctx, slice, c.x.rows());
  auto const x = device.upload<float>(c.x.view());
  auto const grad_out = device.upload<float>(c.grad_out.view().row_slice(10, 5));
  Matrix<float, Space::device> part(5, 33), grad_x(c.x.rows(), 33);

  segment_mean<float>(ctx, segments, x.view(), {}, part.view());
  segment_mean_backward<float>(ctx, segments, grad_out.view(), {}, grad_x.view());

  auto const whole = c.run(device);
  CHECK(same_bits(device.download<float>(part.view()),
                  Matrix<float>::copy_of(whole.out.view().row_slice(10, 5))));
  Matrix<float> expected(c.x.rows(), 33);
  reference::segment_mean_backward<float>(slice, c.grad_out.view().row_slice(10, 5), {},
                                          expected.view());
  CHECK(largest_difference(device.download<float>(grad_x.view()), expected) <=
        100 * rounding<float>);
}

TEST_CASE("segment_mean on a device: weightless segments, NaN, and what is not named",
          "[ops][segment_mean][gpu]") {
  Device device;
  Case<float> c({.n_dst = 3, .sources = 4}, 16, true, {});
  c.rows.row_offsets = {0, 2, 2, 3};
  c.rows.cols = {1, 0, 1};
  c.weights = {3, 1, 0};
  c.x.view()(0, 5) = std::nanf("");

  auto const got = c.run(device);

  auto const expected = c.run_reference();
  CHECK(largest_difference(got.out, expected.out) <= 8 * rounding<float>);
  CHECK(std::isnan(got.out.view()(0, 5)));
  CHECK((got.out.view()(1, 0) == 0 && got.out.view()(2, 0) == 0));
  CHECK(largest_difference(got.grad_x, expected.grad_x) <= 8 * rounding<float>);
  CHECK((got.grad_x.view()(2, 0) == 0 && got.grad_x.view()(3, 15) == 0));
}

TEST_CASE("segment_mean on a device: no segments, no entries, no rows, no features",
          "[ops][segment_mean][gpu]") {
  Device device;
  auto const ctx = device.context();
  std::vector<std::int64_t> const none{0}, two_empty{0, 0, 0};
  DeviceSegments segments(ctx, {.offsets = view_of(none)}, 4);
  auto const x = random_matrix<float>(4, 8, 105);
  auto const table = device.upload<float>(x.view());
  auto grad_x = device.upload<float>(x.view());
  Matrix<float, Space::device> nothing(0, 8);

  segment_mean<float>(ctx, segments, table.view(), {}, nothing.view());
  segment_mean_backward<float>(ctx, segments, nothing.view(), {}, grad_x.view());
  CHECK(same_bits(device.download<float>(grad_x.view()), Matrix<float>::zeros(4, 8)));

  segments.upload(ctx, {.offsets = view_of(two_empty)}, 0);
  auto out = device.upload<float>(x.view().row_slice(0, 2));
  segment_mean<float>(ctx, segments, nothing.view(), {.accumulate = true}, out.view());
  CHECK(same_bits(device.download<float>(out.view()),
                  Matrix<float>::copy_of(x.view().row_slice(0, 2))));
  segment_mean<float>(ctx, segments, nothing.view(), {}, out.view());
  CHECK(same_bits(device.download<float>(out.view()), Matrix<float>::zeros(2, 8)));

  Case<float> const narrow({.n_dst = 4}, 0, false, {});
  CHECK(narrow.run(device).out.empty());
}

TEST_CASE("segment_mean's backward on a device is its transpose", "[ops][segment_mean][gpu]") {
  Device device;
  auto const weighted = GENERATE(false, true);
  auto const reduce = GENERATE(Reduce::mean, Reduce::sum);
  Case<float> const c({.n_dst = 50}, 48, weighted, {reduce});

  auto const got = c.run(device);

  CHECK(inner_product<float>(c.grad_out.view(), got.out.view()) ==
        Approx(inner_product<float>(got.grad_x.view(), c.x.view())));
}

TEST_CASE("segment_mean on a device refuses what does not fit", "[ops][segment_mean][gpu]") {
  Device device;
  auto const ctx = device.context();
  Case<float> c({.n_dst = 6}, 16, true, {});
  DeviceSegments const segments(ctx, c.segments(), c.x.rows(), {.hub_size = 1});
  auto const x = device.upload<float>(c.x.view());
  Matrix<float, Space::device> out(6, 16), short_out(5, 16), grad_x(c.x.rows(), 16),
      narrow(c.x.rows(), 15);
  auto no_stream = ctx;
  no_stream.stream = nullptr;
  auto no_workspace = ctx;
  no_workspace.workspace = nullptr;
  auto const forward = [&](CudaContext const& with, SegmentMeanParams const& params,
                           MatrixView<float, Space::device> to) {
    segment_mean<float>(with, segments, x.view(), params, to);
  };
  auto const upload = [&] { DeviceSegments(ctx, c.segments(), c.x.rows()); };

  CHECK_THROWS_AS(forward(no_stream, {}, out.view()), DeviceError);
  CHECK_THROWS_WITH(forward(ctx, {.reduce = Reduce::max}, out.view()),
                    "segment_mean: params.reduce: got max, expected mean or sum");
  CHECK_THROWS_WITH(forward(ctx, {}, short_out.view()),
                    "segment_mean: out: got shape (5, 16), expected shape (6, 16)");
  CHECK_THROWS_WITH(forward(no_workspace, {}, out.view()),
                    Catch::Contains("workspace: got 0 bytes"));
  CHECK_THROWS_WITH(segment_mean<float>(ctx, segments, out.view(), {}, out.view()),
                    Catch::Contains("segments: got indices of a table of 29 rows"));
  CHECK_THROWS_WITH(segment_mean_backward<float>(ctx, segments, out.view(), {}, out.view()),
                    Catch::Contains("segments: got indices of a table of 29 rows"));
  CHECK_THROWS_WITH(segment_mean_backward<float>(ctx, segments, out.view(), {}, narrow.view()),
                    Catch::Contains("grad_out: got shape (6, 16), expected shape (6, 15)"));
  CHECK_THROWS_AS(segment_mean_backward<float>(ctx, segments, out.view(), {.reduce = Reduce::max},
                                               grad_x.view()),
                  ConfigError);
  CHECK_NOTHROW(upload());
  c.rows.cols[2] = 29;
  CHECK_THROWS_WITH(upload(),
                    "DeviceSegments.upload: segments.indices: got 29 at position 2, "
                    "expected values in [0, 29)");
  c.rows.cols[2] = 0;
  c.rows.row_offsets[0] = 100;
  CHECK_THROWS_AS(upload(), IndexError);
  c.weights.pop_back();
  CHECK_THROWS_AS(upload(), ShapeError);
}

TEMPLATE_TEST_CASE("segment_mean on a device gives the same bits again", "[ops][segment_mean][gpu]",
                   float, bfloat16) {
  Device device;
  auto const d = GENERATE(64, 100);
  Case<TestType> const c({.n_dst = 40, .sources = 3, .hub_degree = 3000}, d, true, {});

  auto const first = c.run(device);
  auto const second = c.run(device);

  CHECK(same_bits(first.out, second.out));
  CHECK(same_bits(first.grad_x, second.grad_x));
}
