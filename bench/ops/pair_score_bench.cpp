#include <benchmark/benchmark.h>

#include <string>
#include <tuple>

#include <relweave/ops/pair_score/pair_score.hpp>
#include <relweave/ops/pair_score/reference.hpp>

#include <workloads.hpp>

using namespace relweave;
using namespace relweave::ops;

namespace {

constexpr std::int64_t d = 128;

/// `pairs` pairs of rows of one table: a training batch, or the links of a validation part.
template <typename T>
void run(benchmark::State& state, std::int64_t pairs, std::int64_t rows, bool backward) {
  HostContext const ctx{.threads = static_cast<int>(state.range(0))};
  auto const left = bench::make_indices(pairs, rows, 1);
  auto const right = bench::make_indices(pairs, rows, 2);
  VectorView<NodeId const> const a_rows{left.data(), pairs};
  VectorView<NodeId const> const b_rows{right.data(), pairs};
  auto const table = bench::make_matrix<T>(rows, d, 3);
  auto const grad = bench::make_matrix<float>(1, pairs, 4);
  VectorView<float const> const grad_out{grad.data(), pairs};
  Matrix<float> scores(1, pairs), expected_scores(1, pairs);
  auto sums = Matrix<T>::zeros(rows, d);
  auto expected_sums = Matrix<float>::zeros(rows, d);
  auto const step = [&] {
    if (backward) {
      pair_score_backward<T>(ctx, table.view(), a_rows, table.view(), b_rows, grad_out, sums.view(),
                             sums.view());
    } else {
      pair_score<T>(ctx, table.view(), a_rows, table.view(), b_rows, {scores.data(), pairs});
    }
  };
  auto const exact = bench::computed(table);
  reference::pair_score<float>(exact.view(), a_rows, exact.view(), b_rows,
                               {expected_scores.data(), pairs});
  reference::pair_score_backward<float>(exact.view(), a_rows, exact.view(), b_rows, grad_out,
                                        expected_sums.view(), expected_sums.view());
  step();
  double const difference = backward ? bench::largest_difference<T>(sums, expected_sums)
                                     : bench::largest_difference<float>(scores, expected_scores);
  // bfloat16 rounds the sums of one side before those of the other, which may cancel them.
  if (difference > 8 * bench::tolerance<T>(1e3)) {
    state.SkipWithError("differs from the reference");
    return;
  }
  for (auto _ : state) {
    step();
  }
  auto const rate = benchmark::Counter::kIsIterationInvariantRate;
  auto const count = static_cast<double>(pairs);
  state.counters["edges/s"] = benchmark::Counter(count, rate);
  state.counters["bytes/s"] = benchmark::Counter(count * d * sizeof(T) * (backward ? 6 : 2), rate);
}

template <typename T>
void add() {
  for (bool const backward : {false, true}) {
    for (auto const& [name, pairs, rows] : {std::tuple{"training_step", 9'216L, 3'000L},
                                            std::tuple{"validation", 400'000L, 60'000L}}) {
      std::string const full = std::string(backward ? "pair_score_backward" : "pair_score") +
                               "/cpu/" + std::string(bench::type_name<T>) + "/" + name;
      benchmark::RegisterBenchmark(
          full.c_str(),
          [=, p = pairs, r = rows](benchmark::State& state) { run<T>(state, p, r, backward); })
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
