#include <string>
#include <tuple>

#include <relweave/ops/gather_rows/gather_rows.hpp>
#include <relweave/ops/gather_rows/reference.hpp>

#include <measure.hpp>
#include <workloads.hpp>

using namespace relweave;
using namespace relweave::ops;

namespace {

constexpr std::int64_t d = 128;

/// `count` rows of a table: those of a training batch, or of the whole graph.
template <typename T>
void run(benchmark::State& state, std::int64_t count, std::int64_t rows, bool scatter) {
  HostContext const ctx = bench::context_of(state);
  auto const list = bench::make_indices(count, rows, 1);
  VectorView<NodeId const> const indices{list.data(), count};
  auto const table = bench::make_matrix<T>(rows, d, 2);
  auto const values = bench::make_matrix<T>(count, d, 3);
  Matrix<T> gathered(count, d);
  Matrix<Compute<T>> expected_gathered(count, d);
  auto sums = Matrix<T>::zeros(rows, d);
  auto expected_sums = Matrix<Compute<T>>::zeros(rows, d);
  auto const step = [&] {
    if (scatter) {
      scatter_rows<T>(ctx, values.view(), indices, sums.view());
    } else {
      gather_rows<T>(ctx, table.view(), indices, gathered.view());
    }
  };
  reference::gather_rows<Compute<T>>(bench::computed(table).view(), indices,
                                     expected_gathered.view());
  reference::scatter_rows<Compute<T>>(bench::computed(values).view(), indices,
                                      expected_sums.view());
  step();
  double const difference = scatter ? bench::largest_difference<T>(sums, expected_sums)
                                    : bench::largest_difference<T>(gathered, expected_gathered);
  if (difference > bench::tolerance<T>(1e3)) {
    state.SkipWithError("differs from the reference");
    return;
  }
  for (auto _ : state) {
    step();
  }
  bench::report(state, "rows/s", static_cast<double>(count));
  bench::report_gather<T>(state, count * d * bench::size_of<T> * (scatter ? 3 : 2), ctx,
                          table.view(), indices);
}

template <typename T>
void add() {
  for (bool const scatter : {false, true}) {
    for (auto const& [name, count, rows] :
         {std::tuple{"training_step", 9'000L, 1'000L}, std::tuple{"graph", 400'000L, 60'000L}}) {
      bench::add(std::string(scatter ? "scatter_rows" : "gather_rows") + "/cpu/" +
                     std::string(bench::type_name<T>) + "/" + name,
                 benchmark::kMicrosecond, [=, c = count, r = rows](benchmark::State& state) {
                   run<T>(state, c, r, scatter);
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
