#include <algorithm>
#include <cmath>
#include <string>

#include <relweave/loss/bpr.hpp>
#include <relweave/loss/margin.hpp>

#include "time_step.hpp"

using namespace relweave;

namespace {

enum class Pairwise { margin, bpr };

constexpr loss::MarginParams params{.margin = 0.3};

/// The loss in plain loops.
template <typename T>
double expected_loss(Pairwise kind, VectorView<T const> positive, MatrixView<T const> negative) {
  auto const number = [](T x) { return static_cast<double>(static_cast<float>(x)); };
  double total = 0;
  for (std::int64_t b = 0; b < negative.rows; ++b) {
    for (std::int64_t n = 0; n < negative.cols; ++n) {
      double const d = number(negative(b, n)) - number(positive[b]);
      total += kind == Pairwise::bpr ? std::log1p(std::exp(d)) : std::max(0.0, d + params.margin);
    }
  }
  return total / static_cast<double>(negative.rows * negative.cols);
}

template <typename T>
void run(benchmark::State& state, bench::ScoreWorkload const& w, Pairwise kind) {
  HostContext const ctx = bench::context_of(state);
  auto const positive = bench::make_matrix<T>(1, w.rows, 1);
  auto const negative = bench::make_matrix<T>(w.rows, w.candidates, 2);
  Matrix<T> grad_positive(1, w.rows), grad_negative(w.rows, w.candidates);
  auto const scores = positive.view().row(0);
  auto const gradients = grad_positive.view().row(0);
  auto const step = [&] {
    return kind == Pairwise::bpr
               ? loss::bpr<T>(ctx, scores, negative.view(), gradients, grad_negative.view())
               : loss::margin<T>(ctx, scores, negative.view(), params, gradients,
                                 grad_negative.view());
  };
  double const expected = expected_loss<T>(kind, scores, negative.view());
  if (std::abs(step() - expected) > 1e-6) {
    state.SkipWithError("differs from plain loops");
    return;
  }
  bench::time_step<T>(state, w, step);
}

template <typename T>
void add() {
  for (Pairwise const kind : {Pairwise::margin, Pairwise::bpr}) {
    for (auto const& w : {bench::links, bench::two_tower, bench::large_batch}) {
      bench::add(std::string(kind == Pairwise::bpr ? "bpr" : "margin") + "/cpu/" +
                     std::string(bench::type_name<T>) + "/" + std::string(w.name),
                 benchmark::kMicrosecond, [=](benchmark::State& state) { run<T>(state, w, kind); });
    }
  }
}

[[maybe_unused]] bool const registered = [] {
  add<float>();
  add<bfloat16>();
  return true;
}();

}  // namespace
