#include <benchmark/benchmark.h>

#include <limits>
#include <string>
#include <tuple>

#include <relweave/ops/row_normalize/reference.hpp>
#include <relweave/ops/row_normalize/row_normalize.hpp>

#include <workloads.hpp>

using namespace relweave;
using namespace relweave::ops;

namespace {

constexpr std::int64_t d = 128;

void run(benchmark::State& state, std::int64_t rows, bool backward) {
  HostContext const ctx{.threads = static_cast<int>(state.range(0))};
  auto const x = bench::make_matrix<float>(rows, d, 2);
  auto const grad_out = bench::make_matrix<float>(rows, d, 3);
  Matrix<float> out(rows, d), grad_x(rows, d), norms(1, rows);
  Matrix<float> expected(rows, d), expected_grad(rows, d);
  VectorView<float> const norms_view{norms.data(), rows};
  auto const forward = [&] { row_normalize<float>(ctx, x.view(), out.view(), norms_view); };
  auto const step = [&] {
    if (backward) {
      row_normalize_backward<float>(ctx, out.view(), norms_view, grad_out.view(), grad_x.view());
    } else {
      forward();
    }
  };
  reference::row_normalize<float>(x.view(), expected.view(), norms_view);
  reference::row_normalize_backward<float>(expected.view(), norms_view, grad_out.view(),
                                           expected_grad.view());
  forward();
  step();
  double const difference =
      backward ? bench::largest_difference<float>(grad_x.view(), expected_grad.view())
               : bench::largest_difference<float>(out.view(), expected.view());
  if (difference > 1e2 * static_cast<double>(std::numeric_limits<float>::epsilon())) {
    state.SkipWithError("differs from the reference");
    return;
  }
  for (auto _ : state) {
    step();
  }
  state.counters["bytes/s"] =
      benchmark::Counter(static_cast<double>(rows * d * 4 * (backward ? 3 : 2)),
                         benchmark::Counter::kIsIterationInvariantRate);
}

[[maybe_unused]] bool const registered = [] {
  for (bool const backward : {false, true}) {
    for (auto const& [name, rows] :
         {std::tuple{"training_step", 512L}, std::tuple{"graph", 60'000L}}) {
      std::string const full =
          std::string(backward ? "row_normalize_backward" : "row_normalize") + "/cpu/float/" + name;
      benchmark::RegisterBenchmark(
          full.c_str(), [=, r = rows](benchmark::State& state) { run(state, r, backward); })
          ->ArgName("threads")
          ->Arg(1)
          ->Arg(2)
          ->UseRealTime()
          ->Unit(benchmark::kMicrosecond);
    }
  }
  return true;
}();

}  // namespace
