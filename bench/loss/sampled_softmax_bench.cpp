#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <relweave/loss/sampled_softmax.hpp>

#include <measure.hpp>
#include <workloads.hpp>

using namespace relweave;

namespace {

constexpr loss::SampledSoftmaxParams params{.temperature = 0.05};

/// The gradient in plain loops.
Matrix<float> expected_gradient(MatrixView<float const> scores,
                                loss::Candidates<float> const& candidates) {
  Matrix<float> grad(scores.rows, scores.cols);
  std::vector<double> e(static_cast<std::size_t>(scores.cols));
  for (std::int64_t b = 0; b < scores.rows; ++b) {
    double sum = 0;
    for (std::int64_t n = 0; n < scores.cols; ++n) {
      double const log_q = static_cast<double>(candidates.log_q[n]);
      e[static_cast<std::size_t>(n)] =
          std::exp(static_cast<double>(scores(b, n)) / params.temperature - log_q);
      sum += e[static_cast<std::size_t>(n)];
    }
    for (std::int64_t n = 0; n < scores.cols; ++n) {
      double const target = n == candidates.target[b] ? 1 : 0;
      grad.view()(b, n) =
          static_cast<float>((e[static_cast<std::size_t>(n)] / sum - target) /
                             (params.temperature * static_cast<double>(scores.rows)));
    }
  }
  return grad;
}

void run(benchmark::State& state, bench::ScoreWorkload const& w, Isa isa) {
  HostContext ctx = bench::context_of(state);
  ctx.isa = isa;
  auto const scores = bench::make_matrix<float>(w.rows, w.candidates, 1);
  auto const log_q = bench::make_matrix<float>(1, w.candidates, 2);
  auto const target = bench::make_indices(w.rows, w.candidates, 3);
  loss::Candidates<float> const candidates{
      .target = {target.data(), w.rows}, .log_q = log_q.view().row(0), .count = {}};
  Matrix<float> grad(w.rows, w.candidates);
  auto const step = [&] {
    return loss::sampled_softmax<float>(ctx, scores.view(), candidates, params, {}, grad.view());
  };
  step();
  auto const expected = expected_gradient(scores.view(), candidates);
  if (bench::largest_difference<float>(grad.view(), expected.view()) >
      1e2 * static_cast<double>(std::numeric_limits<float>::epsilon())) {
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
    for (Isa const isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
      if (isa <= detected_isa()) {
        bench::add(
            "sampled_softmax/cpu." + std::string(isa_name(isa)) + "/float/" + std::string(w.name),
            benchmark::kMicrosecond, [=](benchmark::State& state) { run(state, w, isa); });
      }
    }
  }
  return true;
}();

}  // namespace
