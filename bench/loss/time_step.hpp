#pragma once

#include <cstdint>

#include <measure.hpp>
#include <workloads.hpp>

namespace relweave::bench {

/// Times step(), which reads all scores of a loss once and writes their gradients, in T.
template <typename T, typename Step>
void time_step(benchmark::State& state, ScoreWorkload const& w, Step const& step) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(step());
  }
  std::int64_t const scores = w.rows * w.candidates;
  std::int64_t const bytes = 2 * scores * size_of<T>;
  report(state, "scores/s", static_cast<double>(scores));
  report_bytes(state, bytes, stream_bandwidth(context_of(state), bytes));
}

}  // namespace relweave::bench
