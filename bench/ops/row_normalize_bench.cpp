#include <limits>
#include <string>
#include <tuple>

#include <relweave/ops/row_normalize/reference.hpp>
#include <relweave/ops/row_normalize/row_normalize.hpp>

#include <measure.hpp>
#include <workloads.hpp>

using namespace relweave;
using namespace relweave::ops;

namespace {

constexpr std::int64_t d = 128;

void run(benchmark::State& state, std::int64_t rows, bool backward) {
  HostContext const ctx = bench::context_of(state);
  auto const x = bench::make_matrix<float>(rows, d, 2);
  auto const grad_out = bench::make_matrix<float>(rows, d, 3);
  Matrix<float> out(rows, d), grad_x(rows, d), norms(1, rows);
  Matrix<float> expected(rows, d), expected_grad(rows, d);
  VectorView<float> const norms_view{norms.data(), rows};
  auto const forward = [&] { row_normalize<float>(ctx, x.view(), out.view(), norms_view); };
  auto const step = [&] {
    if (backward) {
      row_normalize_backward<float>(ctx, out.view(), norms_view, grad_out.view(), grad_x.view());
    } else {
      forward();
    }
  };
  reference::row_normalize<float>(x.view(), expected.view(), norms_view);
  reference::row_normalize_backward<float>(expected.view(), norms_view, grad_out.view(),
                                           expected_grad.view());
  forward();
  step();
  double const difference =
      backward ? bench::largest_difference<float>(grad_x.view(), expected_grad.view())
               : bench::largest_difference<float>(out.view(), expected.view());
  if (difference > 1e2 * static_cast<double>(std::numeric_limits<float>::epsilon())) {
    state.SkipWithError("differs from the reference");
    return;
  }
  for (auto _ : state) {
    step();
  }
  std::int64_t const bytes = rows * d * 4 * (backward ? 3 : 2);
  bench::report(state, "rows/s", static_cast<double>(rows));
  bench::report_bytes(state, bytes, bench::stream_bandwidth(ctx, bytes));
}

[[maybe_unused]] bool const registered = [] {
  for (bool const backward : {false, true}) {
    for (auto const& [name, rows] :
         {std::tuple{"training_step", 512L}, std::tuple{"graph", 60'000L}}) {
      bench::add(
          std::string(backward ? "row_normalize_backward" : "row_normalize") + "/cpu/float/" + name,
          benchmark::kMicrosecond,
          [=, r = rows](benchmark::State& state) { run(state, r, backward); });
    }
  }
  return true;
}();

}  // namespace
