#include <algorithm>
#include <cmath>
#include <string>

#include <relweave/loss/bpr.hpp>
#include <relweave/loss/margin.hpp>

#include <measure.hpp>
#include <workloads.hpp>

using namespace relweave;

namespace {

enum class Pairwise { margin, bpr };

constexpr loss::MarginParams params{.margin = 0.3};

/// The loss in plain loops.
double expected_loss(Pairwise kind, VectorView<float const> positive,
                     MatrixView<float const> negative) {
  double total = 0;
  for (std::int64_t b = 0; b < negative.rows; ++b) {
    for (std::int64_t n = 0; n < negative.cols; ++n) {
      double const d = static_cast<double>(negative(b, n)) - static_cast<double>(positive[b]);
      total += kind == Pairwise::bpr ? std::log1p(std::exp(d)) : std::max(0.0, d + params.margin);
    }
  }
  return total / static_cast<double>(negative.rows * negative.cols);
}

void run(benchmark::State& state, bench::ScoreWorkload const& w, Pairwise kind) {
  HostContext const ctx = bench::context_of(state);
  auto const positive = bench::make_matrix<float>(1, w.rows, 1);
  auto const negative = bench::make_matrix<float>(w.rows, w.candidates, 2);
  Matrix<float> grad_positive(1, w.rows), grad_negative(w.rows, w.candidates);
  auto const scores = positive.view().row(0);
  auto const gradients = grad_positive.view().row(0);
  auto const step = [&] {
    return kind == Pairwise::bpr
               ? loss::bpr<float>(ctx, scores, negative.view(), gradients, grad_negative.view())
               : loss::margin<float>(ctx, scores, negative.view(), params, gradients,
                                     grad_negative.view());
  };
  double const expected = expected_loss(kind, scores, negative.view());
  if (std::abs(step() - expected) > 1e-6) {
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
  for (Pairwise const kind : {Pairwise::margin, Pairwise::bpr}) {
    for (auto const& w : {bench::links, bench::two_tower, bench::large_batch}) {
      bench::add(std::string(kind == Pairwise::bpr ? "bpr" : "margin") + "/cpu/float/" +
                     std::string(w.name),
                 benchmark::kMicrosecond, [=](benchmark::State& state) { run(state, w, kind); });
    }
  }
  return true;
}();

}  // namespace
