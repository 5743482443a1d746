#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/ops/row_normalize/reference.hpp>
#include <relweave/ops/row_normalize/row_normalize.hpp>

#include <support/device.hpp>
#include <support/gradient_check.hpp>
#include <support/random_graph.hpp>

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

/// In float, whatever the device stores.
struct Result {
  Matrix<float> out;
  Buffer<float> norms;
  Matrix<float> grad_x;
};

template <typename T>
Result on_device(Device& device, Matrix<float> const& x, Matrix<float> const& grad_out) {
  auto const ctx = device.context();
  auto const from = device.upload<T>(converted<T>(x).view());
  auto const g = device.upload<T>(converted<T>(grad_out).view());
  Matrix<T, Space::device> out(x.rows(), x.cols()), grad_x(x.rows(), x.cols());
  Buffer<float, Space::device> norms(x.rows());

  row_normalize<T>(ctx, from.view(), out.view(), norms.view());
  row_normalize_backward<T>(ctx, out.view(), norms.view(), g.view(), grad_x.view());

  return {.out = converted<float>(device.download<T>(out.view())),
          .norms = device.download(norms),
          .grad_x = converted<float>(device.download<T>(grad_x.view()))};
}

Result by_reference(Matrix<float> const& x, Matrix<float> const& grad_out) {
  Result r{Matrix<float>(x.rows(), x.cols()), Buffer<float>(x.rows()),
           Matrix<float>(x.rows(), x.cols())};
  reference::row_normalize<float>(x.view(), r.out.view(), r.norms.view());
  reference::row_normalize_backward<float>(r.out.view(), r.norms.view(), grad_out.view(),
                                           r.grad_x.view());
  return r;
}

template <typename T>
Matrix<float> random_rows(std::int64_t rows, std::int64_t d, std::uint64_t seed) {
  return stored_as<T>(random_matrix<float>(rows, d, seed));
}

}  // namespace

TEMPLATE_TEST_CASE("row_normalize on a device agrees with the reference",
                   "[ops][row_normalize][gpu]", float, bfloat16) {
  Device device;
  auto const d = GENERATE(1, 3, 16, 32, 37, 64, 100, 128, 200, 256);
  auto const x = random_rows<TestType>(41, d, 50);
  auto const grad_out = random_rows<TestType>(41, d, 51);

  auto const got = on_device<TestType>(device, x, grad_out);

  auto const expected = by_reference(x, grad_out);
  CAPTURE(d);
  CHECK(largest_difference(got.out, expected.out) <= rounding<TestType> + d * rounding<float>);
  for (std::int64_t i = 0; i < 41; ++i) {
    // The gradient reads out, which was rounded, and divides by the norm.
    double const scale = 1 / std::min(1.0F, expected.norms.data()[i]);
    CHECK(got.norms.data()[i] == Approx(expected.norms.data()[i]).epsilon(d * rounding<float>));
    CHECK(largest_difference<float>(got.grad_x.view().row_slice(i, 1),
                                    expected.grad_x.view().row_slice(i, 1)) <=
          scale * (16 * rounding<TestType> + d * rounding<float>));
  }
}

TEMPLATE_TEST_CASE("row_normalize on a device takes more rows than a grid has groups",
                   "[ops][row_normalize][gpu]", float, bfloat16) {
  Device device;
  auto const shape = GENERATE(std::pair{3000, 5}, std::pair{20'000, 16});
  auto const x = random_rows<TestType>(shape.first, shape.second, 52);

  auto const got = on_device<TestType>(device, x, x);

  double const tolerance = 8 * rounding<TestType> + shape.second * rounding<float>;
  CHECK(largest_difference(got.out, by_reference(x, x).out) <= tolerance);
  // x lies along out: nothing is left but rounding, over the norm.
  auto const smallest = *std::min_element(got.norms.data(), got.norms.data() + shape.first);
  CHECK(largest_difference(got.grad_x, Matrix<float>::zeros(shape.first, shape.second)) <=
        4 * tolerance * std::max(1.0F, 1 / smallest));
}

TEST_CASE("row_normalize on a device takes strided and unaligned rows, in place",
          "[ops][row_normalize][gpu]") {
  Device device;
  auto const ctx = device.context();
  // Before rows of x and of its gradient: 4 floats keep them aligned.
  auto const [gap, grad_gap] =
      GENERATE(std::pair{0, 1}, std::pair{3, 0}, std::pair{4, 4}, std::pair{1, 4});
  auto const wide_x = random_matrix<float>(23, 32 + gap, 53);
  auto const wide_g = random_matrix<float>(23, 32 + grad_gap, 54);
  auto x = device.upload<float>(wide_x.view());
  auto grad = device.upload<float>(wide_g.view());
  auto const rows = x.view().col_slice(gap, 32);
  auto const grad_rows = grad.view().col_slice(grad_gap, 32);
  Matrix<float, Space::device> aligned(23, 32);
  Buffer<float, Space::device> norms(23);

  row_normalize<float>(ctx, rows, aligned.view());
  row_normalize<float>(ctx, rows, rows, norms.view());
  row_normalize_backward<float>(ctx, rows, norms.view(), grad_rows, grad_rows);

  auto const got_out = device.download<float>(x.view());
  auto const got_grad = device.download<float>(grad.view());
  auto const expected = by_reference(Matrix<float>::copy_of(wide_x.view().col_slice(gap, 32)),
                                     Matrix<float>::copy_of(wide_g.view().col_slice(grad_gap, 32)));
  CHECK(largest_difference(device.download<float>(aligned.view()), expected.out) <=
        32 * rounding<float>);
  CHECK(largest_difference<float>(got_out.view().col_slice(gap, 32), expected.out.view()) <=
        32 * rounding<float>);
  CHECK(largest_difference<float>(got_grad.view().col_slice(grad_gap, 32),
                                  expected.grad_x.view()) <= 64 * rounding<float>);
  CHECK(largest_difference<float>(got_out.view().col_slice(0, gap),
                                  wide_x.view().col_slice(0, gap)) == 0);
  CHECK(largest_difference<float>(got_grad.view().col_slice(0, grad_gap),
                                  wide_g.view().col_slice(0, grad_gap)) == 0);
}

TEMPLATE_TEST_CASE("row_normalize on a device: zero, extreme, infinite and NaN rows",
                   "[ops][row_normalize][gpu]", float, bfloat16) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  Device device;
  auto const d = GENERATE(16, 70);
  auto x = random_rows<TestType>(6, d, 55);
  auto const grad_out = random_rows<TestType>(6, d, 56);
  for (std::int64_t f = 0; f < d; ++f) {
    x.view()(0, f) = 0;
    x.view()(1, f) *= 0x1p100F;
    x.view()(2, f) *= 0x1p-100F;
    x.view()(5, f) = 0x1p127F;
  }
  x.view()(3, 1) = infinity;
  x.view()(4, 2) = std::nanf("");

  auto const got = on_device<TestType>(device, x, grad_out);

  auto const expected = by_reference(x, grad_out);
  CHECK(largest_difference(got.out, expected.out) <= rounding<TestType> + d * rounding<float>);
  CHECK(got.norms.data()[0] == 0);
  CHECK(got.norms.data()[1] == Approx(expected.norms.data()[1]));
  CHECK(got.norms.data()[2] == Approx(expected.norms.data()[2]));
  CHECK(got.norms.data()[3] == infinity);
  CHECK(std::isnan(got.norms.data()[4]));
  CHECK(got.norms.data()[5] == infinity);
  CHECK(got.grad_x.view()(0, 0) == 0);
  CHECK(std::isnan(got.grad_x.view()(4, 0)));
  CHECK(got.grad_x.view()(5, 3) == 0);
}

TEST_CASE("row_normalize on a device: nothing to do, and no norms asked for",
          "[ops][row_normalize][gpu]") {
  Device device;
  auto const ctx = device.context();
  Matrix<float, Space::device> none(0, 7), narrow(4, 0);
  Buffer<float, Space::device> norms(4);
  auto const x = random_matrix<float>(4, 16, 57);
  auto const on = device.upload<float>(x.view());
  Matrix<float, Space::device> out(4, 16);

  row_normalize<float>(ctx, none.view(), none.view());
  row_normalize_backward<float>(ctx, none.view(), {}, none.view(), none.view());
  row_normalize<float>(ctx, narrow.view(), narrow.view(), norms.view());
  row_normalize_backward<float>(ctx, narrow.view(), norms.view(), narrow.view(), narrow.view());
  row_normalize<float>(ctx, on.view(), out.view());

  auto const got = device.download(norms);
  CHECK(std::all_of(got.data(), got.data() + 4, [](float norm) { return norm == 0; }));
  CHECK(largest_difference(device.download<float>(out.view()), by_reference(x, x).out) <=
        16 * rounding<float>);
}

TEST_CASE("row_normalize on a device refuses what does not fit", "[ops][row_normalize][gpu]") {
  Device device;
  auto const ctx = device.context();
  Matrix<float, Space::device> x(4, 16), wrong(5, 16);
  Buffer<float, Space::device> norms(4), few(3);
  auto no_stream = ctx;
  no_stream.stream = nullptr;

  CHECK_THROWS_AS(row_normalize<float>(no_stream, x.view(), x.view()), DeviceError);
  CHECK_THROWS_WITH(row_normalize<float>(ctx, x.view(), wrong.view()),
                    "row_normalize: out: got shape (5, 16), expected shape (4, 16)");
  CHECK_THROWS_WITH(row_normalize<float>(ctx, x.view(), x.view(), few.view()),
                    "row_normalize: norms: got 3 elements, expected 4 elements");
  CHECK_THROWS_WITH(
      row_normalize_backward<float>(ctx, x.view(), norms.view(), wrong.view(), x.view()),
      Catch::Contains("grad_out: got shape (5, 16)"));
  CHECK_THROWS_WITH(
      row_normalize_backward<float>(ctx, x.view(), norms.view(), x.view(), wrong.view()),
      Catch::Contains("grad_x: got shape (5, 16)"));
  CHECK_THROWS_WITH(row_normalize_backward<float>(ctx, x.view(), {}, x.view(), x.view()),
                    Catch::Contains("norms: got 0 elements"));
}

TEMPLATE_TEST_CASE("row_normalize on a device gives the same bits again",
                   "[ops][row_normalize][gpu]", float, bfloat16) {
  Device device;
  auto const d = GENERATE(64, 100);
  auto const x = random_rows<TestType>(500, d, 58);

  auto const first = on_device<TestType>(device, x, x);
  auto const second = on_device<TestType>(device, x, x);

  CHECK(same_bits(first.out, second.out));
  CHECK(same_bits(first.grad_x, second.grad_x));
}
