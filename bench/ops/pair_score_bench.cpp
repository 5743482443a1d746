#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include <relweave/ops/gather_rows/bandwidth.hpp>
#include <relweave/ops/pair_score/pair_score.hpp>
#include <relweave/ops/pair_score/reference.hpp>

#include <measure.hpp>
#include <workloads.hpp>

using namespace relweave;
using namespace relweave::ops;

namespace {

constexpr std::int64_t d = 128;

/// `pairs` pairs of rows of one table: a training batch, or the links of a validation part.
void run(benchmark::State& state, std::int64_t pairs, std::int64_t rows, bool backward) {
  HostContext const ctx = bench::context_of(state);
  auto const left = bench::make_indices(pairs, rows, 1);
  auto const right = bench::make_indices(pairs, rows, 2);
  VectorView<NodeId const> const a_rows{left.data(), pairs};
  VectorView<NodeId const> const b_rows{right.data(), pairs};
  auto const table = bench::make_matrix<float>(rows, d, 3);
  auto const grad = bench::make_matrix<float>(1, pairs, 4);
  VectorView<float const> const grad_out{grad.data(), pairs};
  Matrix<float> scores(1, pairs), expected_scores(1, pairs);
  auto sums = Matrix<float>::zeros(rows, d);
  auto expected_sums = Matrix<float>::zeros(rows, d);
  auto const step = [&] {
    if (backward) {
      pair_score_backward<float>(ctx, table.view(), a_rows, table.view(), b_rows, grad_out,
                                 sums.view(), sums.view());
    } else {
      pair_score<float>(ctx, table.view(), a_rows, table.view(), b_rows, {scores.data(), pairs});
    }
  };
  reference::pair_score<float>(table.view(), a_rows, table.view(), b_rows,
                               {expected_scores.data(), pairs});
  reference::pair_score_backward<float>(table.view(), a_rows, table.view(), b_rows, grad_out,
                                        expected_sums.view(), expected_sums.view());
  step();
  double const difference =
      backward ? bench::largest_difference<float>(sums.view(), expected_sums.view())
               : bench::largest_difference<float>(scores.view(), expected_scores.view());
  if (difference > 1e3 * static_cast<double>(std::numeric_limits<float>::epsilon())) {
    state.SkipWithError("differs from the reference");
    return;
  }
  for (auto _ : state) {
    step();
  }
  std::vector<NodeId> both;
  for (std::size_t i = 0; i < left.size(); ++i) {
    both.insert(both.end(), {left[i], right[i]});
  }
  bench::report(state, "edges/s", static_cast<double>(pairs));
  bench::report_bytes(state, pairs * d * 4 * (backward ? 6 : 2),
                      gather_bandwidth(ctx, table.view(), {both.data(), 2 * pairs}));
}

[[maybe_unused]] bool const registered = [] {
  for (bool const backward : {false, true}) {
    for (auto const& [name, pairs, rows] : {std::tuple{"training_step", 9'216L, 3'000L},
                                            std::tuple{"validation", 400'000L, 60'000L}}) {
      bench::add(
          std::string(backward ? "pair_score_backward" : "pair_score") + "/cpu/float/" + name,
          benchmark::kMicrosecond,
          [=, p = pairs, r = rows](benchmark::State& state) { run(state, p, r, backward); });
    }
  }
  return true;
}();

}  // namespace
