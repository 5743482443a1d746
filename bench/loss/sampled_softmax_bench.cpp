#include <cmath>
#include <string>
#include <vector>

#include <relweave/loss/sampled_softmax.hpp>

#include "time_step.hpp"

using namespace relweave;

namespace {

constexpr loss::SampledSoftmaxParams params{.temperature = 0.05};

/// The gradient in plain loops.
Matrix<float> expected_gradient(MatrixView<float const> scores, VectorView<NodeId const> target,
                                VectorView<float const> log_qs) {
  Matrix<float> grad(scores.rows, scores.cols);
  std::vector<double> e(static_cast<std::size_t>(scores.cols));
  for (std::int64_t b = 0; b < scores.rows; ++b) {
    double sum = 0;
    for (std::int64_t n = 0; n < scores.cols; ++n) {
      double const log_q = static_cast<double>(log_qs[n]);
      e[static_cast<std::size_t>(n)] =
          std::exp(static_cast<double>(scores(b, n)) / params.temperature - log_q);
      sum += e[static_cast<std::size_t>(n)];
    }
    for (std::int64_t n = 0; n < scores.cols; ++n) {
      double const hit = n == target[b] ? 1 : 0;
      grad.view()(b, n) =
          static_cast<float>((e[static_cast<std::size_t>(n)] / sum - hit) /
                             (params.temperature * static_cast<double>(scores.rows)));
    }
  }
  return grad;
}

template <typename T>
void run(benchmark::State& state, bench::ScoreWorkload const& w, Isa isa) {
  HostContext ctx = bench::context_of(state);
  ctx.isa = isa;
  auto const scores = bench::make_matrix<T>(w.rows, w.candidates, 1);
  auto const log_q = bench::make_matrix<float>(1, w.candidates, 2);
  auto const target = bench::make_indices(w.rows, w.candidates, 3);
  loss::Candidates<T> const candidates{
      .target = {target.data(), w.rows}, .log_q = log_q.view().row(0), .count = {}};
  Matrix<T> grad(w.rows, w.candidates);
  auto const step = [&] {
    return loss::sampled_softmax<T>(ctx, scores.view(), candidates, params, {}, grad.view());
  };
  step();
  auto const expected =
      expected_gradient(bench::computed(scores).view(), candidates.target, candidates.log_q);
  if (bench::largest_difference<T>(grad, expected) > bench::tolerance<T>(1e2)) {
    state.SkipWithError("differs from plain loops");
    return;
  }
  bench::time_step<T>(state, w, step);
}

template <typename T>
void add() {
  for (auto const& w : {bench::two_tower, bench::large_batch}) {
    for (Isa const isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
      if (isa <= detected_isa()) {
        bench::add("sampled_softmax/cpu." + std::string(isa_name(isa)) + "/" +
                       std::string(bench::type_name<T>) + "/" + std::string(w.name),
                   benchmark::kMicrosecond,
                   [=](benchmark::State& state) { run<T>(state, w, isa); });
      }
    }
  }
}

[[maybe_unused]] bool const registered = [] {
  add<float>();
  add<bfloat16>();
  return true;
}();

}  // namespace
