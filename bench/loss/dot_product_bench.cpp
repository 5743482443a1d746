#include <cmath>
#include <string>

#include <relweave/loss/dot_product.hpp>

#include <measure.hpp>
#include <workloads.hpp>

using namespace relweave;

namespace {

/// The loss in plain loops, for weights of 1.
double expected_loss(MatrixView<float const> scores, VectorView<NodeId const> target) {
  double total = 0;
  for (std::int64_t b = 0; b < scores.rows; ++b) {
    for (std::int64_t n = 0; n < scores.cols; ++n) {
      auto const s = static_cast<double>(scores(b, n));
      total += n == target[b] ? -s : s / static_cast<double>(scores.cols - 1);
    }
  }
  return total / static_cast<double>(scores.rows);
}

void run(benchmark::State& state, bench::ScoreWorkload const& w) {
  HostContext const ctx = bench::context_of(state);
  auto const scores = bench::make_matrix<float>(w.rows, w.candidates, 1);
  auto const columns = bench::make_indices(w.rows, w.candidates, 2);
  VectorView<NodeId const> const target{columns.data(), w.rows};
  std::vector<float> const weights(static_cast<std::size_t>(w.candidates), 1.0F);
  Matrix<float> grad(w.rows, w.candidates);
  auto const step = [&] {
    return loss::dot_product<float>(ctx, scores.view(), target, {weights.data(), w.candidates},
                                    grad.view());
  };
  double const expected = expected_loss(scores.view(), target);
  if (std::abs(step() - expected) > 1e-9) {
    state.SkipWithError("differs from plain loops");
    return;
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(step());
  }
  std::int64_t const entries = w.rows * w.candidates;
  bench::report(state, "scores/s", static_cast<double>(entries));
  bench::report_bytes(state, entries * 8, bench::stream_bandwidth(ctx, entries * 8));
}

[[maybe_unused]] bool const registered = [] {
  for (auto const& w : {bench::two_tower, bench::large_batch}) {
    bench::add("dot_product/cpu/float/" + std::string(w.name), benchmark::kMicrosecond,
               [=](benchmark::State& state) { run(state, w); });
  }
  return true;
}();

}  // namespace
