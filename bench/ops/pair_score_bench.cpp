#include <string>
#include <tuple>
#include <vector>

#include <relweave/ops/pair_score/pair_score.hpp>
#include <relweave/ops/pair_score/reference.hpp>

#include <measure.hpp>
#include <workloads.hpp>

using namespace relweave;
using namespace relweave::ops;

namespace {

constexpr std::int64_t d = 128;

/// `pairs` pairs of rows of one table: a training batch, or the links of a validation part.
template <typename T>
void run(benchmark::State& state, std::int64_t pairs, std::int64_t rows, bool backward) {
  HostContext const ctx = bench::context_of(state);
  auto const left = bench::make_indices(pairs, rows, 1);
  auto const right = bench::make_indices(pairs, rows, 2);
  VectorView<NodeId const> const a_rows{left.data(), pairs};
  VectorView<NodeId const> const b_rows{right.data(), pairs};
  auto const table = bench::make_matrix<T>(rows, d, 3);
  auto const grad = bench::make_matrix<float>(1, pairs, 4);
  VectorView<float const> const grad_out{grad.data(), pairs};
  Matrix<float> scores(1, pairs), expected_scores(1, pairs);
  auto sums = Matrix<T>::zeros(rows, d);
  auto expected_sums = Matrix<float>::zeros(rows, d);
  auto const step = [&] {
    if (backward) {
      pair_score_backward<T>(ctx, table.view(), a_rows, table.view(), b_rows, grad_out, sums.view(),
                             sums.view());
    } else {
      pair_score<T>(ctx, table.view(), a_rows, table.view(), b_rows, {scores.data(), pairs});
    }
  };
  auto const exact = bench::computed(table);
  reference::pair_score<float>(exact.view(), a_rows, exact.view(), b_rows,
                               {expected_scores.data(), pairs});
  reference::pair_score_backward<float>(exact.view(), a_rows, exact.view(), b_rows, grad_out,
                                        expected_sums.view(), expected_sums.view());
  step();
  double const difference = backward ? bench::largest_difference<T>(sums, expected_sums)
                                     : bench::largest_difference<float>(scores, expected_scores);
  // bfloat16 rounds the sums of one side before those of the other, which may cancel them.
  if (difference > 8 * bench::tolerance<T>(1e3)) {
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
  bench::report_gather<T>(state, pairs * d * bench::size_of<T> * (backward ? 6 : 2), ctx,
                          table.view(), {both.data(), 2 * pairs});
}

template <typename T>
void add() {
  for (bool const backward : {false, true}) {
    for (auto const& [name, pairs, rows] : {std::tuple{"training_step", 9'216L, 3'000L},
                                            std::tuple{"validation", 400'000L, 60'000L}}) {
      bench::add(std::string(backward ? "pair_score_backward" : "pair_score") + "/cpu/" +
                     std::string(bench::type_name<T>) + "/" + name,
                 benchmark::kMicrosecond, [=, p = pairs, r = rows](benchmark::State& state) {
                   run<T>(state, p, r, backward);
                 });
    }
  }
}

[[maybe_unused]] bool const registered = [] {
  add<float>();
  add<bfloat16>();
  return true;
}();

}  // namespace
