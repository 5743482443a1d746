#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include <relweave/core/parallel.hpp>

#include <measure.hpp>

using namespace relweave;

namespace {

/// What a call costs whose tasks do next to nothing.
void run(benchmark::State& state, std::int64_t tasks) {
  HostContext const ctx = bench::context_of(state);
  std::vector<std::int64_t> done(static_cast<std::size_t>(tasks));
  auto const step = [&] {
    parallel_for(ctx, tasks, [&](std::int64_t task) { ++done[static_cast<std::size_t>(task)]; });
  };
  step();
  if (std::accumulate(done.begin(), done.end(), std::int64_t{0}) != tasks) {
    state.SkipWithError("does not run each task once");
    return;
  }
  for (auto _ : state) {
    step();
  }
  bench::report(state, "tasks/s", static_cast<double>(tasks));
}

[[maybe_unused]] bool const registered = [] {
  for (std::int64_t const tasks : {1, 2, 64, 4'096}) {
    bench::add("parallel_for/cpu/" + std::to_string(tasks), benchmark::kMicrosecond,
               [=](benchmark::State& state) { run(state, tasks); });
  }
  return true;
}();

}  // namespace
