#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/ops/linear/linear.hpp>
#include <relweave/ops/linear/reference.hpp>

#include <support/device.hpp>
#include <support/gradient_check.hpp>
#include <support/random_graph.hpp>

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

struct Size {
  std::int64_t m, k, n;
};

std::vector<Size> const sizes = {{1, 1, 1}, {3, 5, 7}, {16, 32, 8}, {300, 17, 33}, {600, 65, 300}};

template <typename T>
constexpr double epsilon = std::is_same_v<T, float> ? 1.2e-7 : 1.0 / 256;

/// Sums of `terms` products of numbers in [-1, 1), rounded to T at the end.
template <typename T>
double tolerance_of(std::int64_t terms) {
  return 4 * 1.2e-7 * static_cast<double>(terms + 1) +
         (std::is_same_v<T, float> ? 0.0 : epsilon<T> * static_cast<double>(terms + 1));
}

template <typename T>
Matrix<float> numbers(std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
  return converted<float>(converted<T>(random_matrix<float>(rows, cols, seed)));
}

Device machine() {
  return Device(linear_backward_workspace(600, 300, 4) + (1 << 20));
}

}  // namespace

TEMPLATE_TEST_CASE("products on a device equal the reference in every orientation",
                   "[ops][linear][gpu]", float, bfloat16) {
  auto device = machine();
  auto const size = GENERATE(from_range(sizes));
  auto const at = GENERATE(Transpose::no, Transpose::yes);
  auto const bt = GENERATE(Transpose::no, Transpose::yes);
  MatmulParams const params{.a = at, .b = bt, .accumulate = GENERATE(true, false)};
  bool const ta = at == Transpose::yes;
  bool const tb = bt == Transpose::yes;
  auto const a = numbers<TestType>(ta ? size.k : size.m, ta ? size.m : size.k, 1);
  auto const b = numbers<TestType>(tb ? size.n : size.k, tb ? size.k : size.n, 2);
  auto expected = numbers<TestType>(size.m, size.n, 3);
  auto out = device.upload<TestType>(converted<TestType>(expected).view());
  reference::matmul<float>(a.view(), b.view(), params, expected.view());
  auto const x = device.upload<TestType>(converted<TestType>(a).view());
  auto const y = device.upload<TestType>(converted<TestType>(b).view());

  matmul<TestType>(device.context(), x.view(), y.view(), params, out.view());

  CHECK(largest_difference(converted<float>(device.download<TestType>(out.view())), expected) <
        tolerance_of<TestType>(size.k));
}

TEMPLATE_TEST_CASE("linear on a device and its gradients equal the reference", "[ops][linear][gpu]",
                   float, bfloat16) {
  auto device = machine();
  auto const ctx = device.context();
  auto const size = GENERATE(from_range(sizes));
  bool const accumulate = GENERATE(true, false);
  LinearParams const params{.activation = GENERATE(Activation::identity, Activation::relu),
                            .accumulate = accumulate};
  bool const with_bias = GENERATE(true, false);
  auto const [m, k, n] = size;
  auto const x = numbers<TestType>(m, k, 1);
  auto const w = numbers<TestType>(k, n, 2);
  auto const bias = numbers<TestType>(1, n, 3);
  auto const grad_out = numbers<TestType>(m, n, 4);
  auto grad_x = numbers<TestType>(m, k, 5);
  auto grad_w = random_matrix<float>(k, n, 6);
  auto grad_bias = random_matrix<float>(1, n, 7);
  auto out = numbers<TestType>(m, n, 8);
  auto grad_sum = random_matrix<float>(m, n, 9);
  auto const up = [&](Matrix<float> const& from) {
    return device.upload<TestType>(converted<TestType>(from).view());
  };
  auto const dx = up(x);
  auto const dw = up(w);
  auto const dbias = up(bias);
  auto const dgrad_out = up(grad_out);
  auto const dgrad_x = up(grad_x);
  auto dgrad_w = device.upload<float>(grad_w.view());
  auto dgrad_bias = device.upload<float>(grad_bias.view());
  auto dout = up(out);
  auto dgrad_sum = up(grad_sum);
  auto const bias_of = [&](auto& b) { return b.view().row(0).slice(0, with_bias ? n : 0); };

  linear<TestType>(ctx, dx.view(), dw.view(), bias_of(dbias), params, dout.view());
  auto const got_out = converted<float>(device.download<TestType>(dout.view()));
  linear_backward<TestType>(ctx, dx.view(), dw.view(), dout.view(), dgrad_out.view(), params,
                            {.x = {const_cast<TestType*>(dgrad_x.data()), m, k},
                             .weight = dgrad_w.view(),
                             .bias = bias_of(dgrad_bias),
                             .sum = dgrad_sum.view(),
                             .accumulate_x = accumulate});

  reference::linear<float>(x.view(), w.view(), bias_of(bias), params, out.view());
  CHECK(largest_difference(got_out, out) < tolerance_of<TestType>(k));
  reference::linear_backward<float>(x.view(), w.view(), got_out.view(), grad_out.view(), params,
                                    {.x = grad_x.view(),
                                     .weight = grad_w.view(),
                                     .bias = bias_of(grad_bias),
                                     .sum = grad_sum.view(),
                                     .accumulate_x = accumulate});
  CHECK(largest_difference(converted<float>(device.download<TestType>(dgrad_x.view())), grad_x) <
        tolerance_of<TestType>(n));
  CHECK(largest_difference(device.download<float>(dgrad_w.view()), grad_w) <
        tolerance_of<float>(m));
  CHECK(largest_difference(device.download<float>(dgrad_bias.view()), grad_bias) <
        tolerance_of<float>(m));
  CHECK(same_bits(converted<float>(device.download<TestType>(dgrad_sum.view())), grad_sum));
}

TEST_CASE("linear on a device works on strided views", "[ops][linear][gpu]") {
  auto device = machine();
  auto const a = random_matrix<float>(9, 20, 4);
  auto const b = random_matrix<float>(20, 15, 5);
  auto const dest = random_matrix<float>(9, 12, 6);
  auto const da = device.upload<float>(a.view());
  auto const db = device.upload<float>(b.view());
  auto out = device.upload<float>(dest.view());
  auto expected = Matrix<float>::copy_of(dest.view());
  reference::matmul<float>(a.view().col_slice(3, 8), b.view().row_slice(2, 8).col_slice(4, 6), {},
                           expected.view().col_slice(1, 6));

  matmul<float>(device.context(), da.view().col_slice(3, 8),
                db.view().row_slice(2, 8).col_slice(4, 6), {}, out.view().col_slice(1, 6));

  CHECK(largest_difference(device.download<float>(out.view()), expected) < tolerance_of<float>(8));
}

TEST_CASE("a product without terms is zero on a device, and empty ones do nothing",
          "[ops][linear][gpu]") {
  auto device = machine();
  auto out = device.upload<float>(random_matrix<float>(3, 4, 1).view());
  Matrix<float, Space::device> none_by_k(3, 0), k_by_none(0, 4);

  matmul<float>(device.context(), none_by_k.view(), k_by_none.view(), {.accumulate = true},
                out.view());
  auto const kept = device.download<float>(out.view());
  matmul<float>(device.context(), none_by_k.view(), k_by_none.view(), {}, out.view());

  CHECK(same_bits(kept, random_matrix<float>(3, 4, 1)));
  CHECK(same_bits(device.download<float>(out.view()), Matrix<float>::zeros(3, 4)));
}

TEST_CASE("linear on a device refuses what does not fit", "[ops][linear][gpu]") {
  auto device = machine();
  auto const ctx = device.context();
  Matrix<float, Space::device> x(3, 4), w(4, 5), out(3, 5), wrong(3, 6);
  Buffer<float, Space::device> bias(6);
  auto no_workspace = ctx;
  no_workspace.workspace = nullptr;

  CHECK_THROWS_WITH(matmul<float>(ctx, x.view(), x.view(), {}, out.view()),
                    Catch::Contains("matmul: b: got shape (3, 4), expected shape (4, 4)"));
  CHECK_THROWS_WITH(linear<float>(ctx, x.view(), w.view(), {}, {}, wrong.view()),
                    Catch::Contains("linear: out"));
  CHECK_THROWS_WITH(linear<float>(ctx, x.view(), w.view(), bias.view(), {}, out.view()),
                    Catch::Contains("linear: bias: got 6 elements, expected 5"));
  CHECK_THROWS_WITH(linear<float>(no_workspace, x.view(), w.view(), {}, {}, out.view()),
                    Catch::Contains("linear: workspace: got 0 bytes, expected at least"));
  CHECK_THROWS_WITH(linear_backward<float>(ctx, x.view(), w.view(), {}, out.view(),
                                           {.activation = Activation::relu}, {.weight = w.view()}),
                    Catch::Contains("linear_backward: out"));
  CHECK_THROWS_WITH(
      linear_backward<float>(ctx, x.view(), w.view(), {}, out.view(), {}, {.weight = wrong.view()}),
      Catch::Contains("gradients.weight"));
  CHECK(linear_backward_workspace(600, 33, 4) >= linear_workspace() + 600 * 33 * 4);
}
