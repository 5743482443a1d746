#include <benchmark/benchmark.h>

#include <limits>
#include <string>
#include <tuple>

#include <relweave/ops/gather_rows/gather_rows.hpp>
#include <relweave/ops/gather_rows/reference.hpp>

#include <workloads.hpp>

using namespace relweave;
using namespace relweave::ops;

namespace {

constexpr std::int64_t d = 128;

/// `count` rows of a table: those of a training batch, or of the whole graph.
void run(benchmark::State& state, std::int64_t count, std::int64_t rows, bool scatter) {
  HostContext const ctx{.threads = static_cast<int>(state.range(0))};
  auto const list = bench::make_indices(count, rows, 1);
  VectorView<NodeId const> const indices{list.data(), count};
  auto const table = bench::make_matrix<float>(rows, d, 2);
  auto const values = bench::make_matrix<float>(count, d, 3);
  Matrix<float> gathered(count, d), expected_gathered(count, d);
  auto sums = Matrix<float>::zeros(rows, d);
  auto expected_sums = Matrix<float>::zeros(rows, d);
  auto const step = [&] {
    if (scatter) {
      scatter_rows<float>(ctx, values.view(), indices, sums.view());
    } else {
      gather_rows<float>(ctx, table.view(), indices, gathered.view());
    }
  };
  reference::gather_rows<float>(table.view(), indices, expected_gathered.view());
  reference::scatter_rows<float>(values.view(), indices, expected_sums.view());
  step();
  double const difference =
      scatter ? bench::largest_difference<float>(sums.view(), expected_sums.view())
              : bench::largest_difference<float>(gathered.view(), expected_gathered.view());
  if (difference > 1e3 * static_cast<double>(std::numeric_limits<float>::epsilon())) {
    state.SkipWithError("differs from the reference");
    return;
  }
  for (auto _ : state) {
    step();
  }
  auto const rate = benchmark::Counter::kIsIterationInvariantRate;
  state.counters["bytes/s"] =
      benchmark::Counter(static_cast<double>(count * d * 4) * (scatter ? 3 : 2), rate);
}

[[maybe_unused]] bool const registered = [] {
  for (bool const scatter : {false, true}) {
    for (auto const& [name, count, rows] :
         {std::tuple{"training_step", 9'000L, 1'000L}, std::tuple{"graph", 400'000L, 60'000L}}) {
      std::string const full =
          std::string(scatter ? "scatter_rows" : "gather_rows") + "/cpu/float/" + name;
      benchmark::RegisterBenchmark(
          full.c_str(), [=](benchmark::State& state) { run(state, count, rows, scatter); })
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
