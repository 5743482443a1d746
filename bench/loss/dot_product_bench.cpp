#include <cmath>
#include <string>

#include <relweave/loss/dot_product.hpp>

#include "time_step.hpp"

using namespace relweave;

namespace {

/// The loss in plain loops, for weights of 1.
template <typename T>
double expected_loss(MatrixView<T const> scores, VectorView<NodeId const> target) {
  double total = 0;
  for (std::int64_t b = 0; b < scores.rows; ++b) {
    for (std::int64_t n = 0; n < scores.cols; ++n) {
      auto const s = static_cast<double>(static_cast<float>(scores(b, n)));
      total += n == target[b] ? -s : s / static_cast<double>(scores.cols - 1);
    }
  }
  return total / static_cast<double>(scores.rows);
}

template <typename T>
void run(benchmark::State& state, bench::ScoreWorkload const& w) {
  HostContext const ctx = bench::context_of(state);
  auto const scores = bench::make_matrix<T>(w.rows, w.candidates, 1);
  auto const columns = bench::make_indices(w.rows, w.candidates, 2);
  VectorView<NodeId const> const target{columns.data(), w.rows};
  std::vector<float> const weights(static_cast<std::size_t>(w.candidates), 1.0F);
  Matrix<T> grad(w.rows, w.candidates);
  auto const step = [&] {
    return loss::dot_product<T>(ctx, scores.view(), target, {weights.data(), w.candidates},
                                grad.view());
  };
  double const expected = expected_loss<T>(scores.view(), target);
  if (std::abs(step() - expected) > 1e-9) {
    state.SkipWithError("differs from plain loops");
    return;
  }
  bench::time_step<T>(state, w, step);
}

template <typename T>
void add() {
  for (auto const& w : {bench::two_tower, bench::large_batch}) {
    bench::add("dot_product/cpu/" + std::string(bench::type_name<T>) + "/" + std::string(w.name),
               benchmark::kMicrosecond, [=](benchmark::State& state) { run<T>(state, w); });
  }
}

[[maybe_unused]] bool const registered = [] {
  add<float>();
  add<bfloat16>();
  return true;
}();

}  // namespace
