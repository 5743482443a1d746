#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <relweave/ops/gather_rows/bandwidth.hpp>
#include <relweave/optim/adam.hpp>

#include <measure.hpp>
#include <workloads.hpp>

using namespace relweave;

namespace {

constexpr double learning_rate = 1e-3;

/// Values and moments are floats that are read and written, gradients are read.
template <typename T>
constexpr std::int64_t bytes_per_parameter = 24 + bench::size_of<T>;

/// The first step moves a parameter by the learning rate, against its gradient's sign.
template <typename T>
bool is_first_step(VectorView<float const> before, VectorView<float const> after,
                   VectorView<T const> gradients) {
  for (std::int64_t i = 0; i < after.size; ++i) {
    auto const g = static_cast<float>(gradients[i]);
    double const expected =
        static_cast<double>(before[i]) - std::copysign(learning_rate, static_cast<double>(g));
    if (std::abs(g) > 1e-3F && std::abs(static_cast<double>(after[i]) - expected) > 1e-6) {
      return false;
    }
  }
  return true;
}

template <typename T>
void step(benchmark::State& state, bench::ParameterWorkload const& w) {
  HostContext const ctx = bench::context_of(state);
  auto const before = bench::make_matrix<float>(1, w.size(), 1);
  auto const gradients = bench::make_matrix<T>(1, w.size(), 2);
  auto values = Matrix<float>::copy_of(before.view());
  optim::Adam<float> adam({}, w.size());
  auto const one = [&] {
    adam.step(ctx, values.view().row(0), gradients.view().row(0), learning_rate);
  };
  one();
  if (!is_first_step<T>(before.view().row(0), values.view().row(0), gradients.view().row(0))) {
    state.SkipWithError("is no first step of Adam");
    return;
  }
  for (auto _ : state) {
    one();
  }
  bench::report(state, "parameters/s", static_cast<double>(w.size()));
  bench::report_bytes(state, bytes_per_parameter<T> * w.size(),
                      bench::stream_bandwidth(ctx, 16 * w.size()));
}

template <typename T>
void step_rows(benchmark::State& state, bench::ParameterWorkload const& w) {
  HostContext const ctx = bench::context_of(state);
  auto rows = bench::make_indices(w.touched, w.rows, 1);
  auto const gradients = bench::make_matrix<T>(w.touched, w.d, 2);
  auto const before = bench::make_matrix<float>(w.rows, w.d, 3);
  auto table = Matrix<float>::copy_of(before.view());
  VectorView<NodeId const> const touched{rows.data(), w.touched};
  optim::Adam<float> adam({}, w.size());
  auto const one = [&] {
    adam.step_rows(ctx, table.view(), touched, gradients.view(), learning_rate);
  };
  one();
  // Gradients of a row that is given twice add up: look at one that is not.
  auto const last = w.touched - 1;
  auto const row = touched[last];
  bool const once = std::count(rows.begin(), rows.end(), row) == 1;
  if (once && !is_first_step<T>(before.view().row(row), table.view().row(row),
                                gradients.view().row(last))) {
    state.SkipWithError("is no first step of Adam");
    return;
  }
  for (auto _ : state) {
    one();
  }
  bench::report(state, "rows/s", static_cast<double>(w.touched));
  bench::report_bytes(state, bytes_per_parameter<T> * w.touched * w.d,
                      ops::gather_bandwidth(ctx, table.view(), touched));
}

/// With gradients in T.
template <typename T>
void add() {
  auto const type = std::string(bench::type_name<T>);
  for (auto const& w : {bench::towers, bench::table}) {
    bench::add("adam/cpu/" + type + "/" + std::string(w.name), benchmark::kMicrosecond,
               [=](benchmark::State& state) { step<T>(state, w); });
  }
  bench::add("adam_rows/cpu/" + type + "/" + std::string(bench::table.name),
             benchmark::kMicrosecond,
             [](benchmark::State& state) { step_rows<T>(state, bench::table); });
}

[[maybe_unused]] bool const registered = [] {
  add<float>();
  add<bfloat16>();
  return true;
}();

}  // namespace
