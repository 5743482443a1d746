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

template <typename T>
void run(benchmark::State& state, Size const& s) {
  HostContext const ctx = bench::context_of(state);
  auto const scores = bench::make_matrix<T>(s.rows, s.items, 2);
  Matrix<NodeId> indices(s.rows, s.k), expected_indices(s.rows, s.k);
  Matrix<T> values(s.rows, s.k), expected_values(s.rows, s.k);
  reference::top_k<T>(scores.view(), expected_indices.view(), expected_values.view());
  top_k<T>(ctx, scores.view(), indices.view(), values.view());
  if (!std::equal(indices.data(), indices.data() + s.rows * s.k, expected_indices.data()) ||
      bench::largest_difference<T>(values, bench::computed(expected_values)) > 0) {
    state.SkipWithError("differs from the reference");
    return;
  }
  for (auto _ : state) {
    top_k<T>(ctx, scores.view(), indices.view(), values.view());
  }
  std::int64_t const looked_at = s.rows * s.items;
  std::int64_t const bytes = looked_at * bench::size_of<T>;
  bench::report(state, "scores/s", static_cast<double>(looked_at));
  bench::report_bytes(state, bytes, bench::stream_bandwidth(ctx, bytes));
}

template <typename T>
void add() {
  for (Size const& s : sizes) {
    bench::add("top_k/cpu/" + std::string(bench::type_name<T>) + "/" + s.name,
               benchmark::kMicrosecond, [=](benchmark::State& state) { run<T>(state, s); });
  }
}

[[maybe_unused]] bool const registered = [] {
  add<float>();
  add<bfloat16>();
  return true;
}();

}  // namespace
