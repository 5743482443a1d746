#include <algorithm>
#include <string>
#include <vector>

#include <relweave/metrics/ranking.hpp>

#include <measure.hpp>
#include <workloads.hpp>

using namespace relweave;

namespace {

constexpr std::int64_t relevant_per_user = 5;

struct Input {
  Matrix<float> scores;
  std::vector<std::int64_t> offsets{0};
  std::vector<NodeId> items;
  Buffer<std::int64_t> ranks;

  explicit Input(bench::ScoreWorkload const& w)
      : scores(bench::make_matrix<float>(w.rows, w.candidates, 1)),
        items(bench::make_indices(w.rows * relevant_per_user, w.candidates, 2)),
        ranks(w.rows * relevant_per_user) {
    for (std::int64_t u = 0; u < w.rows; ++u) {
      offsets.push_back(offsets.back() + relevant_per_user);
    }
  }

  metrics::ItemLists relevant() const {
    return {.offsets = {offsets.data(), std::ssize(offsets)},
            .items = {items.data(), std::ssize(items)}};
  }
};

/// The rank of the first user's first item: of as many items are better.
std::int64_t expected_rank(Input const& input) {
  auto const row = input.scores.view().row(0);
  NodeId const item = input.items[0];
  std::int64_t better = 0;
  for (NodeId i = 0; i < row.size; ++i) {
    better += row[i] > row[item] || (row[i] == row[item] && i < item) ? 1 : 0;
  }
  return better;
}

void ranks(benchmark::State& state, bench::ScoreWorkload const& w) {
  HostContext const ctx = bench::context_of(state);
  Input input(w);
  auto const step = [&] {
    metrics::ranks(ctx, input.scores.view(), input.relevant(), {}, input.ranks.view());
  };
  step();
  if (input.ranks.view()[0] != expected_rank(input)) {
    state.SkipWithError("differs from a plain loop");
    return;
  }
  for (auto _ : state) {
    step();
  }
  std::int64_t const comparisons = w.rows * w.candidates * relevant_per_user;
  bench::report(state, "comparisons/s", static_cast<double>(comparisons));
  bench::report_bytes(state, w.rows * w.candidates * 4,
                      bench::stream_bandwidth(ctx, w.rows * w.candidates * 4));
}

void metrics_of_ranks(benchmark::State& state, bench::ScoreWorkload const& w) {
  Input const input(w);
  std::vector<std::int64_t> const first(input.items.size(), 0);  // each item the best of all
  VectorView<std::int64_t const> const view{first.data(), std::ssize(first)};
  auto const step = [&] { return metrics::ranking_metrics(input.relevant().offsets, view, 10); };
  auto const result = step();
  if (!std::all_of(result.mrr.data(), result.mrr.data() + w.rows,
                   [](double mrr) { return mrr == 1; })) {
    state.SkipWithError("finds no perfect ranking perfect");
    return;
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(step());
  }
  bench::report(state, "users/s", static_cast<double>(w.rows));
}

[[maybe_unused]] bool const registered = [] {
  bench::add("ranks/cpu/float/" + std::string(bench::evaluation.name), benchmark::kMicrosecond,
             [](benchmark::State& state) { ranks(state, bench::evaluation); });
  bench::add_serial("ranking_metrics/cpu/" + std::string(bench::evaluation.name),
                    benchmark::kMicrosecond,
                    [](benchmark::State& state) { metrics_of_ranks(state, bench::evaluation); });
  return true;
}();

}  // namespace
