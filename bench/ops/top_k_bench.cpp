#include <algorithm>
#include <string>

#include <relweave/ops/top_k/reference.hpp>
#include <relweave/ops/top_k/top_k.hpp>

#include <measure.hpp>
#include <workloads.hpp>

using namespace relweave;
using namespace relweave::ops;

namespace {

/// `rows` queries over a catalogue: a block that an index ranks at a time, the whole of X-Wines,
/// and one query over a million items.
struct Size {
  char const* name;
  std::int64_t rows, items, k;
};

constexpr Size sizes[] = {{"index_block", 256, 4'096, 10},
                          {"index_block.k100", 256, 4'096, 100},
                          {"small_catalogue", 4'096, 1'007, 10},
                          {"one_query", 1, 1'000'000, 10}};

void run(benchmark::State& state, Size const& s) {
  HostContext const ctx = bench::context_of(state);
  auto const scores = bench::make_matrix<float>(s.rows, s.items, 2);
  Matrix<NodeId> indices(s.rows, s.k), expected_indices(s.rows, s.k);
  Matrix<float> values(s.rows, s.k), expected_values(s.rows, s.k);
  reference::top_k<float>(scores.view(), expected_indices.view(), expected_values.view());
  top_k<float>(ctx, scores.view(), indices.view(), values.view());
  if (!std::equal(indices.data(), indices.data() + s.rows * s.k, expected_indices.data()) ||
      !std::equal(values.data(), values.data() + s.rows * s.k, expected_values.data())) {
    state.SkipWithError("differs from the reference");
    return;
  }
  for (auto _ : state) {
    top_k<float>(ctx, scores.view(), indices.view(), values.view());
  }
  std::int64_t const looked_at = s.rows * s.items;
  bench::report(state, "scores/s", static_cast<double>(looked_at));
  bench::report_bytes(state, looked_at * 4, bench::stream_bandwidth(ctx, looked_at * 4));
}

[[maybe_unused]] bool const registered = [] {
  for (Size const& s : sizes) {
    bench::add(std::string("top_k/cpu/float/") + s.name, benchmark::kMicrosecond,
               [=](benchmark::State& state) { run(state, s); });
  }
  return true;
}();

}  // namespace
