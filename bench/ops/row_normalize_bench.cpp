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

template <typename T>
void run(benchmark::State& state, std::int64_t rows, bool backward) {
  HostContext const ctx = bench::context_of(state);
  auto const x = bench::make_matrix<T>(rows, d, 2);
  auto const grad_out = bench::make_matrix<T>(rows, d, 3);
  Matrix<T> out(rows, d), grad_x(rows, d);
  Matrix<float> norms(1, rows), expected(rows, d), expected_grad(rows, d);
  VectorView<float> const norms_view{norms.data(), rows};
  auto const forward = [&] { row_normalize<T>(ctx, x.view(), out.view(), norms_view); };
  auto const step = [&] {
    if (backward) {
      row_normalize_backward<T>(ctx, out.view(), norms_view, grad_out.view(), grad_x.view());
    } else {
      forward();
    }
  };
  reference::row_normalize<float>(bench::computed(x).view(), expected.view(), norms_view);
  forward();
  reference::row_normalize_backward<float>(bench::computed(out).view(), norms_view,
                                           bench::computed(grad_out).view(), expected_grad.view());
  step();
  double const difference = backward ? bench::largest_difference<T>(grad_x, expected_grad)
                                     : bench::largest_difference<T>(out, expected);
  if (difference > bench::tolerance<T>(1e2)) {
    state.SkipWithError("differs from the reference");
    return;
  }
  for (auto _ : state) {
    step();
  }
  std::int64_t const bytes = rows * d * bench::size_of<T> * (backward ? 3 : 2);
  bench::report(state, "rows/s", static_cast<double>(rows));
  bench::report_bytes(state, bytes, bench::stream_bandwidth(ctx, bytes));
}

template <typename T>
void add() {
  for (bool const backward : {false, true}) {
    for (auto const& [name, rows] :
         {std::tuple{"training_step", 512L}, std::tuple{"graph", 60'000L}}) {
      bench::add(std::string(backward ? "row_normalize_backward" : "row_normalize") + "/cpu/" +
                     std::string(bench::type_name<T>) + "/" + name,
                 benchmark::kMicrosecond,
                 [=, r = rows](benchmark::State& state) { run<T>(state, r, backward); });
    }
  }
}

[[maybe_unused]] bool const registered = [] {
  add<float>();
  add<bfloat16>();
  return true;
}();

}  // namespace
