#include <benchmark/benchmark.h>

#include <string>
#include <tuple>

#include <relweave/ops/row_normalize/reference.hpp>
#include <relweave/ops/row_normalize/row_normalize.hpp>

#include <workloads.hpp>

using namespace relweave;
using namespace relweave::ops;

namespace {

constexpr std::int64_t d = 128;

template <typename T>
void run(benchmark::State& state, std::int64_t rows, bool backward) {
  HostContext const ctx{.threads = static_cast<int>(state.range(0))};
  auto const x = bench::make_matrix<T>(rows, d, 2);
  auto const grad_out = bench::make_matrix<T>(rows, d, 3);
  Matrix<T> out(rows, d), grad_x(rows, d);
  Matrix<float> norms(1, rows), expected(rows, d), expected_grad(rows, d);
  VectorView<float> const norms_view{norms.data(), rows};
  auto const forward = [&] { row_normalize<T>(ctx, x.view(), out.view(), norms_view); };
  auto const step = [&] {
    if (backward) {
      row_normalize_backward<T>(ctx, out.view(), norms_view, grad_out.view(), grad_x.view());
    } else {
      forward();
    }
  };
  reference::row_normalize<float>(bench::computed(x).view(), expected.view(), norms_view);
  forward();
  reference::row_normalize_backward<float>(bench::computed(out).view(), norms_view,
                                           bench::computed(grad_out).view(), expected_grad.view());
  step();
  double const difference = backward ? bench::largest_difference<T>(grad_x, expected_grad)
                                     : bench::largest_difference<T>(out, expected);
  if (difference > bench::tolerance<T>(1e2)) {
    state.SkipWithError("differs from the reference");
    return;
  }
  for (auto _ : state) {
    step();
  }
  state.counters["bytes/s"] =
      benchmark::Counter(static_cast<double>(rows * d) * sizeof(T) * (backward ? 3 : 2),
                         benchmark::Counter::kIsIterationInvariantRate);
}

template <typename T>
void add() {
  for (bool const backward : {false, true}) {
    for (auto const& [name, rows] :
         {std::tuple{"training_step", 512L}, std::tuple{"graph", 60'000L}}) {
      std::string const full = std::string(backward ? "row_normalize_backward" : "row_normalize") +
                               "/cpu/" + std::string(bench::type_name<T>) + "/" + name;
      benchmark::RegisterBenchmark(
          full.c_str(), [=, r = rows](benchmark::State& state) { run<T>(state, r, backward); })
          ->ArgName("threads")
          ->Arg(1)
          ->Arg(2)
          ->UseRealTime()
          ->Unit(benchmark::kMicrosecond);
    }
  }
}

[[maybe_unused]] bool const registered = [] {
  add<float>();
  add<bfloat16>();
  return true;
}();

}  // namespace
