#include <algorithm>
#include <limits>
#include <string>

#include <relweave/ops/linear/linear.hpp>
#include <relweave/ops/linear/reference.hpp>

#include <measure.hpp>
#include <workloads.hpp>

using namespace relweave;
using namespace relweave::ops;

namespace {

/// m x k x n: messages of a layer in both directions of its widths, the first layer of a tower for
/// a batch, and a catalogue's text vectors for all relations at once.
struct Size {
  std::int64_t m, k, n;
};

constexpr Size sizes[] = {
    {20'000, 128, 384}, {20'000, 384, 128}, {512, 780, 512}, {1'007, 384, 896}};

constexpr LinearParams params{.activation = Activation::relu};

void run(benchmark::State& state, Size const& s, Isa isa, bool backward) {
  HostContext const ctx{.threads = static_cast<int>(state.range(0)), .isa = isa};
  auto const x = bench::make_matrix<float>(s.m, s.k, 2);
  auto const weight = bench::make_matrix<float>(s.k, s.n, 3);
  auto const bias = bench::make_matrix<float>(1, s.n, 4);
  auto const grad_out = bench::make_matrix<float>(s.m, s.n, 5);
  VectorView<float const> const bias_view{bias.data(), s.n};
  Matrix<float> out(s.m, s.n), grad_x(s.m, s.k);
  auto grad_weight = Matrix<float>::zeros(s.k, s.n);
  auto grad_bias = Matrix<float>::zeros(1, s.n);
  LinearGradients<float> const gradients{
      .x = grad_x.view(), .weight = grad_weight.view(), .bias = {grad_bias.data(), s.n}};
  auto const step = [&] {
    if (backward) {
      linear_backward<float>(ctx, x.view(), weight.view(), out.view(), grad_out.view(), params,
                             gradients);
    } else {
      linear<float>(ctx, x.view(), weight.view(), bias_view, params, out.view());
    }
  };

  // The first rows alone: the reference takes minutes for all of them.
  std::int64_t const checked = std::min<std::int64_t>(s.m, 64);
  Matrix<float> expected(checked, s.n), expected_grad(checked, s.k);
  auto expected_weight = Matrix<float>::zeros(s.k, s.n);
  reference::linear<float>(x.view().row_slice(0, checked), weight.view(), bias_view, params,
                           expected.view());
  reference::linear_backward<float>(x.view().row_slice(0, checked), weight.view(), expected.view(),
                                    grad_out.view().row_slice(0, checked), params,
                                    {.x = expected_grad.view(), .weight = expected_weight.view()});
  linear<float>(ctx, x.view(), weight.view(), bias_view, params, out.view());
  linear_backward<float>(ctx, x.view().row_slice(0, checked), weight.view(),
                         out.view().row_slice(0, checked), grad_out.view().row_slice(0, checked),
                         params,
                         {.x = grad_x.view().row_slice(0, checked), .weight = grad_weight.view()});
  double const tolerance = 4 * static_cast<double>(std::numeric_limits<float>::epsilon() *
                                                   static_cast<float>(std::max(s.k, s.n)));
  if (bench::largest_difference<float>(out.view().row_slice(0, checked), expected.view()) >
          tolerance ||
      bench::largest_difference<float>(grad_x.view().row_slice(0, checked), expected_grad.view()) >
          tolerance ||
      bench::largest_difference<float>(grad_weight.view(), expected_weight.view()) > tolerance) {
    state.SkipWithError("differs from the reference");
    return;
  }
  for (auto _ : state) {
    step();
  }
  bench::report(state, "FLOP/s", static_cast<double>(2 * s.m * s.k * s.n * (backward ? 2 : 1)));
}

[[maybe_unused]] bool const registered = [] {
  for (Size const& s : sizes) {
    for (Isa const isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
      for (bool const backward : {false, true}) {
        if (isa > detected_isa() || (backward && isa != detected_isa())) {
          continue;
        }
        std::string const name = std::string(backward ? "linear_backward" : "linear") + "/cpu." +
                                 std::string(isa_name(isa)) + "/float/" + std::to_string(s.m) +
                                 "x" + std::to_string(s.k) + "x" + std::to_string(s.n);
        bench::add(name, benchmark::kMillisecond,
                   [=](benchmark::State& state) { run(state, s, isa, backward); });
      }
    }
  }
  return true;
}();

}  // namespace
