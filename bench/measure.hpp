#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <relweave/core/context.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/simd.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>
#include <relweave/ops/gather_rows/bandwidth.hpp>

// What all benchmarks do alike: names with one and two threads, counters, and the peak of streams.

namespace relweave::bench {

/// Registers `name`, with the number of threads as its argument. `run` takes the state.
template <typename Run>
void add(std::string const& name, benchmark::TimeUnit unit, Run const& run) {
  benchmark::RegisterBenchmark(name.c_str(), run)
      ->ArgName("threads")
      ->Arg(1)
      ->Arg(2)
      ->UseRealTime()
      ->Unit(unit);
}

/// The same for what runs on one thread.
template <typename Run>
void add_serial(std::string const& name, benchmark::TimeUnit unit, Run const& run) {
  benchmark::RegisterBenchmark(name.c_str(), run)->Unit(unit);
}

inline HostContext context_of(benchmark::State const& state) {
  return {.threads = static_cast<int>(state.range(0))};
}

/// `amount` of something in each iteration, per second.
inline void report(benchmark::State& state, char const* name, double amount) {
  state.counters[name] = benchmark::Counter(amount, benchmark::Counter::kIsIterationInvariantRate);
}

/// Bytes that each iteration must move, and their share of what `peak` bytes per second allow.
inline void report_bytes(benchmark::State& state, std::int64_t bytes, double peak) {
  report(state, "bytes/s", static_cast<double>(bytes));
  report(state, "peak_share", static_cast<double>(bytes) / peak);
}

template <typename T>
inline constexpr auto size_of = static_cast<std::int64_t>(sizeof(T));

/// The same, with the bandwidth of a bare gather of the rows that `list` names as the peak.
template <typename T>
void report_gather(benchmark::State& state, std::int64_t bytes, HostContext const& ctx,
                   MatrixView<T const> rows, VectorView<NodeId const> list) {
  MatrixView<float const> const words{reinterpret_cast<float const*>(rows.data), rows.rows,
                                      rows.cols * size_of<T> / 4, rows.stride * size_of<T> / 4};
  report_bytes(state, bytes, ops::gather_bandwidth(ctx, words, list));
}

/// Bytes per second, read and written, of x += 1 over an array of `bytes`: what an operation can
/// reach that streams through as much memory. The best of five runs.
inline double stream_bandwidth(HostContext const& ctx, std::int64_t bytes) {
  constexpr std::int64_t L = simd::lanes<float>;
  std::int64_t const n = (bytes / 4 + L - 1) / L * L;
  std::vector<float> values(static_cast<std::size_t>(n));
  double best = 0;
  for (int run = 0; run < 5; ++run) {
    auto const start = std::chrono::steady_clock::now();
    parallel_for_blocks(ctx, n, 1 << 15, [&](std::int64_t begin, std::int64_t end) {
      for (float* x = values.data() + begin; x < values.data() + end; x += L) {
        simd::store(x, simd::load<L>(x) + 1.0F);
      }
    });
    benchmark::DoNotOptimize(values.data());
    benchmark::ClobberMemory();
    std::chrono::duration<double> const seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(2 * n * 4) / seconds.count());
  }
  return best;
}

}  // namespace relweave::bench
