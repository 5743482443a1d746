#include <string>

#include <relweave/ops/segment_mean/reference.hpp>
#include <relweave/ops/segment_mean/segment_mean.hpp>

#include <measure.hpp>
#include <workloads.hpp>

using namespace relweave;
using namespace relweave::ops;

namespace {

/// Users' histories: `users` segments of each of `types`, `items` rows of `d` features each.
struct Histories {
  char const* name;
  std::int64_t users, types, items, catalogue, d;
};

constexpr Histories training_step{"training_step", 512, 6, 8, 1007, 512};
constexpr Histories serving{"serving", 4096, 6, 8, 50'000, 128};

template <typename T>
void run(benchmark::State& state, Histories const& h, bool backward) {
  HostContext const ctx = bench::context_of(state);
  bench::Workload const shape{
      "histories", h.users * h.types, 1, h.catalogue, static_cast<double>(h.items), 0, 0};
  auto const csr = bench::make_csr(shape);
  std::vector<float> const weights(csr.cols.size(), 0.3F);
  Segments<float> const segments{.offsets = csr.view().row_offsets,
                                 .indices = csr.view().cols,
                                 .weights = {weights.data(), std::ssize(weights)}};
  auto const x = bench::make_matrix<T>(h.catalogue, h.d, 2);
  auto const grad_out = bench::make_matrix<T>(shape.n_dst, h.d, 3);
  Matrix<T> out(shape.n_dst, h.d), grad_x(h.catalogue, h.d);
  Matrix<float> expected_out(shape.n_dst, h.d), expected_grad(h.catalogue, h.d);
  auto const step = [&] {
    if (backward) {
      segment_mean_backward<T>(ctx, segments, grad_out.view(), {}, grad_x.view());
    } else {
      segment_mean<T>(ctx, segments, x.view(), {}, out.view());
    }
  };
  auto const expected = [&] {
    reference::segment_mean<float>(segments, bench::computed(x).view(), {}, expected_out.view());
    reference::segment_mean_backward<float>(segments, bench::computed(grad_out).view(), {},
                                            expected_grad.view());
  };
  expected();
  step();
  double const difference = backward ? bench::largest_difference<T>(grad_x, expected_grad)
                                     : bench::largest_difference<T>(out, expected_out);
  if (difference > bench::tolerance<T>(1e3)) {
    state.SkipWithError("differs from the reference");
    return;
  }
  for (auto _ : state) {
    step();
  }
  std::int64_t const entries = std::ssize(csr.cols);
  bench::report(state, "edges/s", static_cast<double>(entries));
  bench::report_gather<T>(state, entries * (h.d * bench::size_of<T> + 8), ctx, x.view(),
                          csr.view().cols);
}

template <typename T>
void add() {
  for (Histories const& h : {training_step, serving}) {
    for (bool const backward : {false, true}) {
      std::string const name = std::string(backward ? "segment_mean_backward" : "segment_mean") +
                               "/cpu/" + std::string(bench::type_name<T>) + "/" + h.name;
      bench::add(name, benchmark::kMicrosecond,
                 [=](benchmark::State& state) { run<T>(state, h, backward); });
    }
  }
}

[[maybe_unused]] bool const registered = [] {
  add<float>();
  add<bfloat16>();
  return true;
}();

}  // namespace
