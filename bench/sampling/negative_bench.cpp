#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <relweave/sampling/negative.hpp>

#include <measure.hpp>
#include <workloads.hpp>

using namespace relweave;

namespace {

constexpr std::int64_t nodes = 60'000;

/// Draws for the links of a step; `draw` takes its number and what to fill. Node 0 must come up
/// with probability q, within five standard deviations over all draws.
template <typename Draw>
void run(benchmark::State& state, double q, Draw const& draw) {
  HostContext const ctx = bench::context_of(state);
  std::int64_t const entries = bench::links.rows * bench::links.candidates;
  Matrix<NodeId> out(bench::links.rows, bench::links.candidates);
  std::uint64_t step = 0;
  double zeros = 0;
  for (; step < 100; ++step) {
    draw(ctx, step, out.view());
    zeros += static_cast<double>(std::count(out.data(), out.data() + entries, NodeId{0}));
  }
  double const expected = 100 * static_cast<double>(entries) * q;
  if (std::abs(zeros - expected) > 5 * std::sqrt(expected)) {
    state.SkipWithError("draws node 0 too often or not often enough");
    return;
  }
  for (auto _ : state) {
    draw(ctx, ++step, out.view());
  }
  bench::report(state, "draws/s", static_cast<double>(entries));
  bench::report(state, "bytes/s", static_cast<double>(entries) * sizeof(NodeId));
}

/// Counts fall with the node's number, as word2vec's power flattens them.
sampling::PopularityNegatives const& popularity() {
  static auto const negatives = [] {
    std::vector<std::int64_t> counts;
    for (std::int64_t i = 0; i < nodes; ++i) {
      counts.push_back(1 + nodes / (1 + i));
    }
    return sampling::PopularityNegatives({counts.data(), nodes}, 0.75);
  }();
  return negatives;
}

[[maybe_unused]] bool const registered = [] {
  bench::add("uniform_negatives/cpu/links", benchmark::kMicrosecond, [](benchmark::State& state) {
    run(state, 1.0 / nodes, [](HostContext const& ctx, std::uint64_t step, MatrixView<NodeId> out) {
      sampling::uniform_negatives(ctx, 1, step, nodes, out);
    });
  });
  bench::add("popularity_negatives/cpu/links", benchmark::kMicrosecond,
             [](benchmark::State& state) {
               auto const& negatives = popularity();
               run(state, std::exp(static_cast<double>(negatives.log_q()[0])),
                   [&](HostContext const& ctx, std::uint64_t step, MatrixView<NodeId> out) {
                     negatives.draw(ctx, 1, step, out);
                   });
             });
  return true;
}();

}  // namespace
