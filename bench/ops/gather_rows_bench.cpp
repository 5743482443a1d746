#include <limits>
#include <string>
#include <tuple>

#include <relweave/ops/gather_rows/bandwidth.hpp>
#include <relweave/ops/gather_rows/gather_rows.hpp>
#include <relweave/ops/gather_rows/reference.hpp>

#include <measure.hpp>
#include <workloads.hpp>

using namespace relweave;
using namespace relweave::ops;

namespace {

constexpr std::int64_t d = 128;

/// `count` rows of a table: those of a training batch, or of the whole graph.
void run(benchmark::State& state, std::int64_t count, std::int64_t rows, bool scatter) {
  HostContext const ctx = bench::context_of(state);
  auto const list = bench::make_indices(count, rows, 1);
  VectorView<NodeId const> const indices{list.data(), count};
  auto const table = bench::make_matrix<float>(rows, d, 2);
  auto const values = bench::make_matrix<float>(count, d, 3);
  Matrix<float> gathered(count, d), expected_gathered(count, d);
  auto sums = Matrix<float>::zeros(rows, d);
  auto expected_sums = Matrix<float>::zeros(rows, d);
  auto const step = [&] {
    if (scatter) {
      scatter_rows<float>(ctx, values.view(), indices, sums.view());
    } else {
      gather_rows<float>(ctx, table.view(), indices, gathered.view());
    }
  };
  reference::gather_rows<float>(table.view(), indices, expected_gathered.view());
  reference::scatter_rows<float>(values.view(), indices, expected_sums.view());
  step();
  double const difference =
      scatter ? bench::largest_difference<float>(sums.view(), expected_sums.view())
              : bench::largest_difference<float>(gathered.view(), expected_gathered.view());
  if (difference > 1e3 * static_cast<double>(std::numeric_limits<float>::epsilon())) {
    state.SkipWithError("differs from the reference");
    return;
  }
  for (auto _ : state) {
    step();
  }
  bench::report(state, "rows/s", static_cast<double>(count));
  bench::report_bytes(state, count * d * 4 * (scatter ? 3 : 2),
                      gather_bandwidth(ctx, table.view(), indices));
}

[[maybe_unused]] bool const registered = [] {
  for (bool const scatter : {false, true}) {
    for (auto const& [name, count, rows] :
         {std::tuple{"training_step", 9'000L, 1'000L}, std::tuple{"graph", 400'000L, 60'000L}}) {
      bench::add(std::string(scatter ? "scatter_rows" : "gather_rows") + "/cpu/float/" + name,
                 benchmark::kMicrosecond,
                 [=, c = count, r = rows](benchmark::State& state) { run(state, c, r, scatter); });
    }
  }
  return true;
}();

}  // namespace
