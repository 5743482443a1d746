#include <cmath>
#include <string>
#include <tuple>

#include <relweave/core/buffer.hpp>
#include <relweave/retrieval/exact_index.hpp>

#include <measure.hpp>
#include <workloads.hpp>

using namespace relweave;

namespace {

constexpr std::int64_t d = 128;
constexpr std::int64_t k = 10;

/// The best score of the first query, found with a plain loop.
double best_score(MatrixView<float const> vectors, VectorView<float const> query) {
  double best = -1e30;
  for (std::int64_t i = 0; i < vectors.rows; ++i) {
    double score = 0;
    for (std::int64_t f = 0; f < d; ++f) {
      score += static_cast<double>(query[f]) * static_cast<double>(vectors(i, f));
    }
    best = std::max(best, score);
  }
  return best;
}

void search(benchmark::State& state, std::int64_t queries, std::int64_t items) {
  HostContext const ctx = bench::context_of(state);
  auto const vectors = bench::make_matrix<float>(items, d, 1);
  auto const asked = bench::make_matrix<float>(queries, d, 2);
  retrieval::ExactIndex const index(vectors.view());
  Matrix<NodeId> ids(queries, k);
  Matrix<float> scores(queries, k);
  auto const step = [&] { index.search(ctx, asked.view(), k, {}, ids.view(), scores.view()); };
  step();
  double const expected = best_score(vectors.view(), asked.view().row(0));
  if (std::abs(static_cast<double>(scores.data()[0]) - expected) > 1e-4 * std::abs(expected)) {
    state.SkipWithError("differs from a plain loop");
    return;
  }
  for (auto _ : state) {
    step();
  }
  bench::report(state, "queries/s", static_cast<double>(queries));
  bench::report(state, "FLOP/s", 2.0 * static_cast<double>(queries * items * d));
  bench::report_bytes(state, items * d * 4, bench::stream_bandwidth(ctx, items * d * 4));
}

[[maybe_unused]] bool const registered = [] {
  for (auto const& [name, items] : {std::tuple{"xwines", 1'007L}, std::tuple{"large", 100'000L}}) {
    for (long const queries : {1L, 7L, 100L, 1'024L}) {
      bench::add(std::string("exact_index/cpu/float/") + name + "/" + std::to_string(queries),
                 benchmark::kMicrosecond,
                 [queries = queries, items = items](benchmark::State& state) {
                   search(state, queries, items);
                 });
    }
  }
  return true;
}();

}  // namespace
