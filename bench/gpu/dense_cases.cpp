// Products and choices: linear, matmul, top_k.

#include <groups.hpp>

#include <relweave/ops/linear/linear.hpp>
#include <relweave/ops/top_k/top_k.hpp>

namespace relweave::bench {

namespace {

double real(std::int64_t n) {
  return static_cast<double>(n);
}

constexpr ops::LinearParams relu{.activation = Activation::relu};

/// Sizes: m, k, n.
template <typename T>
void linear(Bench& bench, Sizes const& s, std::int64_t) {
  auto const x = make_device_matrix<T>(bench, s.a, s.b, 2);
  auto const weight = make_device_matrix<T>(bench, s.b, s.c, 3);
  auto const bias = make_device_matrix<T>(bench, 1, s.c, 4);
  auto const grad_out = make_device_matrix<T>(bench, s.a, s.c, 5);
  DeviceMatrix<T> out(s.a, s.c), grad_x(s.a, s.b);
  auto grad_weight = make_zeros<float>(bench, s.b, s.c),
       grad_bias = make_zeros<float>(bench, 1, s.c);
  bench.reserve(ops::linear_workspace() +
                ops::linear_backward_workspace(s.a, s.c, static_cast<std::int64_t>(sizeof(T))));
  // both factors read, the product written; backward twice, and out to see where ReLU passes
  double const operations = 2 * real(s.a) * real(s.b) * real(s.c);
  double const bytes =
      (real(s.a) * real(s.b) + real(s.b) * real(s.c) + real(s.a) * real(s.c)) * size_of<T>;
  auto const forward = [&] {
    ops::linear<T>(bench.context(), x.view(), weight.view(), as_vector(bias), relu, out.view());
  };
  auto const on_host_forward = [&] {
    Matrix<float> expected(s.a, s.c);
    ops::linear<float>({}, on_host(bench, x).view(), on_host(bench, weight).view(),
                       as_vector(on_host(bench, bias)), relu, expected.view());
    return expected;
  };

  bench.run<T>(
      "matmul", "relweave", {.bytes = bytes, .operations = operations},
      [&] { ops::matmul<T>(bench.context(), x.view(), weight.view(), {}, out.view()); }, out.view(),
      [&] {
        Matrix<float> expected(s.a, s.c);
        ops::matmul<float>({}, on_host(bench, x).view(), on_host(bench, weight).view(), {},
                           expected.view());
        return expected;
      });
  spoil(bench, out);
  bench.run<T>("linear.forward", "relweave", {.bytes = bytes, .operations = operations}, forward,
               out.view(), on_host_forward);
  forward();
  bench.run<float>(
      "linear.backward", "relweave",
      {.bytes = 2 * bytes + real(s.a) * real(s.c) * size_of<T>, .operations = 2 * operations},
      [&] {
        ops::linear_backward<T>(
            bench.context(), x.view(), weight.view(), out.view(), grad_out.view(), relu,
            {.x = grad_x.view(), .weight = grad_weight.view(), .bias = as_vector(grad_bias)});
      },
      grad_weight.view(),
      [&] {
        auto expected = Matrix<float>::zeros(s.b, s.c);
        ops::linear_backward<float>({}, on_host(bench, x).view(), on_host(bench, weight).view(),
                                    on_host_forward().view(), on_host(bench, grad_out).view(), relu,
                                    {.weight = expected.view()});
        return expected;
      });
}

/// Sizes: rows, columns, k. Merging takes the columns in two halves.
template <typename T>
void top_k(Bench& bench, Sizes const& s, std::int64_t) {
  auto const scores = make_device_matrix<T>(bench, s.a, s.b, 2);
  DeviceMatrix<T> values(s.a, s.c);
  DeviceMatrix<NodeId> indices(s.a, s.c);
  bench.reserve(ops::top_k_workspace(s.a, s.b, s.c));
  std::int64_t const half = s.b / 2;
  // scores read once, places and scores written
  Cost const cost{.bytes = real(s.a) * (real(s.b) * size_of<T> + real(s.c) * (4 + size_of<T>))};
  auto const expected = [&] {
    Matrix<float> best(s.a, s.c);
    Matrix<NodeId> places(s.a, s.c);
    ops::top_k<float>({}, on_host(bench, scores).view(), places.view(), best.view());
    return best;
  };

  bench.run<T>(
      "top_k", "relweave", cost,
      [&] { ops::top_k<T>(bench.context(), scores.view(), indices.view(), values.view()); },
      values.view(), expected);
  spoil(bench, values);
  bench.run<T>(
      "top_k_merge", "relweave", cost,
      [&] {
        ops::top_k<T>(bench.context(), scores.view().col_slice(0, half), indices.view(),
                      values.view());
        ops::top_k_merge<T>(bench.context(), scores.view().col_slice(half, s.b - half),
                            static_cast<NodeId>(half), indices.view(), values.view());
      },
      values.view(), expected);
}

}  // namespace

ArrayGroup linear_group() {
  return {.cases = {{"matmul", "relweave"},
                    {"linear.forward", "relweave"},
                    {"linear.backward", "relweave"}},
          .sizes = {{"20000x128x384", 20'000, 128, 384},
                    {"20000x384x128", 20'000, 384, 128},
                    {"512x780x512", 512, 780, 512},
                    {"1007x384x896", 1'007, 384, 896},
                    {"1000000x128x128", 1'000'000, 128, 128}},
          .checked = {"small", 40, 64, 56},
          .run_float = linear<float>,
          .run_bfloat16 = linear<bfloat16>};
}

ArrayGroup top_k_group() {
  return {.cases = {{"top_k", "relweave"}, {"top_k_merge", "relweave"}},
          .sizes = {{"1024x100000x100", 1'024, 100'000, 100},
                    {"1x2000000x100", 1, 2'000'000, 100},
                    {"128x100000x1000", 128, 100'000, 1'000}},
          .checked = {"small", 23, 150, 11},
          .run_float = top_k<float>,
          .run_bfloat16 = top_k<bfloat16>};
}

}  // namespace relweave::bench
