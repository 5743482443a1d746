#include <limits>
#include <string>

#include <relweave/optim/sgd.hpp>

#include <measure.hpp>
#include <workloads.hpp>

using namespace relweave;

namespace {

constexpr double learning_rate = 0.5;
constexpr optim::SgdConfig plain{};
constexpr optim::SgdConfig nesterov{.momentum = 0.5, .nesterov = true};

void step(benchmark::State& state, bench::ParameterWorkload const& w,
          optim::SgdConfig const& config) {
  HostContext const ctx = bench::context_of(state);
  auto const before = bench::make_matrix<float>(1, w.size(), 1);
  auto const gradients = bench::make_matrix<float>(1, w.size(), 2);
  auto values = Matrix<float>::copy_of(before.view());
  auto expected = Matrix<float>::copy_of(before.view());
  optim::Sgd<float> sgd(config, w.size());
  auto const one = [&] {
    sgd.step(ctx, values.view().row(0), gradients.view().row(0), learning_rate);
  };
  one();
  auto const rate = static_cast<float>(learning_rate * (1 + config.momentum));
  for (std::int64_t i = 0; i < w.size(); ++i) {
    expected.data()[i] -= rate * gradients.data()[i];
  }
  if (bench::largest_difference<float>(values.view(), expected.view()) >
      4 * static_cast<double>(std::numeric_limits<float>::epsilon())) {
    state.SkipWithError("is no first step of gradient descent");
    return;
  }
  for (auto _ : state) {
    one();
  }
  std::int64_t const arrays = config.momentum > 0 ? 3 : 2;  // all but the gradients are written
  bench::report(state, "parameters/s", static_cast<double>(w.size()));
  bench::report_bytes(state, (2 * arrays - 1) * 4 * w.size(),
                      bench::stream_bandwidth(ctx, arrays * 4 * w.size()));
}

[[maybe_unused]] bool const registered = [] {
  for (auto const& w : {bench::towers, bench::table}) {
    bench::add("sgd/cpu/float/" + std::string(w.name), benchmark::kMicrosecond,
               [=](benchmark::State& state) { step(state, w, plain); });
    bench::add("sgd.nesterov/cpu/float/" + std::string(w.name), benchmark::kMicrosecond,
               [=](benchmark::State& state) { step(state, w, nesterov); });
  }
  return true;
}();

}  // namespace
