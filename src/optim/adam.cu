#include <cmath>

#include <relweave/core/error.hpp>
#include <relweave/optim/adam.hpp>

#include "device_steps.cuh"
#include "rows.hpp"

namespace relweave::optim {

namespace {

struct AdamUpdate {
  AdamStep<float> s;
  detail::AdamState const* state;
  float* mean;
  float* square;

  __device__ void prepare() {
    s.step = state->step;
    s.root_correction = state->root_correction;
  }
  __device__ float operator()(float value, float gradient, std::int64_t at) const {
    float const g = sum(gradient, product(s.weight_decay, value));
    float const m = sum(product(s.beta1, mean[at]), product(1 - s.beta1, g));
    float const v = sum(product(s.beta2, square[at]), product(product(1 - s.beta2, g), g));
    mean[at] = m;
    square[at] = v;
    float const root = sum(__fdiv_rn(__fsqrt_rn(v), s.root_correction), s.epsilon);
    return sum(value, -__fdiv_rn(product(s.step, m), root));
  }
};

/// The corrections of the next step. One thread.
__global__ void begin_step(detail::AdamState* state, double beta1, double beta2, bool of_rows) {
  std::int64_t const steps = state->steps + 1;
  auto const t = static_cast<double>(steps);
  double const mean_correction = 1 - pow(beta1, t);
  double const root_correction = sqrt(1 - pow(beta2, t));
  double const rate = of_rows ? state->learning_rate * root_correction : state->learning_rate;
  state->steps = steps;
  state->step = static_cast<float>(rate / mean_correction);
  state->root_correction = of_rows ? 1.0F : static_cast<float>(root_correction);
}

AdamUpdate begin(CudaContext const& ctx, std::string_view here, AdamConfig const& config,
                 Buffer<detail::AdamState, Space::device>& state,
                 Buffer<float, Space::device>& mean, Buffer<float, Space::device>& square,
                 bool of_rows) {
  RELWEAVE_LAUNCH(begin_step, 1, 1, 0, ctx.stream, state.data(), config.beta1, config.beta2,
                  of_rows);
  cuda::check_launch(here);
  return {.s = {.beta1 = static_cast<float>(config.beta1),
                .beta2 = static_cast<float>(config.beta2),
                .step = 0,
                .root_correction = 1,
                .epsilon = static_cast<float>(config.epsilon),
                .weight_decay = static_cast<float>(config.weight_decay)},
          .state = state.data(),
          .mean = mean.data(),
          .square = square.data()};
}

}  // namespace

DeviceAdam::DeviceAdam(CudaContext const& ctx, AdamConfig const& config, std::int64_t size,
                       double learning_rate)
    : config_(config) {
  constexpr std::string_view here = "DeviceAdam";
  expect_cuda(here, ctx);
  expect_settings(here, config);
  expect_setting(here, "learning_rate", learning_rate);
  DeviceGuard const guard(ctx.device);
  reset_to(ctx, here, 0, mean_, size);
  reset_to(ctx, here, 0, square_, size);
  state_.reset(1);
  launch_set(ctx, here, state_.data(),
             detail::AdamState{
                 .learning_rate = learning_rate, .steps = 0, .step = 0, .root_correction = 1});
}

void DeviceAdam::set_learning_rate(CudaContext const& ctx, double learning_rate) {
  constexpr std::string_view here = "DeviceAdam.set_learning_rate";
  expect_cuda(here, ctx);
  expect_setting(here, "learning_rate", learning_rate);
  DeviceGuard const guard(ctx.device);
  launch_set(ctx, here, &state_.data()->learning_rate, learning_rate);
}

template <typename T>
void DeviceAdam::step_values(CudaContext const& ctx, VectorView<float, Space::device> values,
                             VectorView<T const, Space::device> gradients) {
  constexpr std::string_view here = "DeviceAdam.step";
  expect_cuda(here, ctx);
  expect_size(here, "values", values, mean_.size());
  expect_size(here, "gradients", gradients, mean_.size());
  DeviceGuard const guard(ctx.device);
  auto const update = begin(ctx, here, config_, state_, mean_, square_, false);
  launch_update(ctx, here, values, gradients.data, update);
}

template <typename T>
void DeviceAdam::step_some_rows(CudaContext const& ctx, MatrixView<float, Space::device> table,
                                VectorView<NodeId const, Space::device> rows,
                                MatrixView<T const, Space::device> gradients) {
  constexpr std::string_view here = "DeviceAdam.step_rows";
  expect_cuda(here, ctx);
  expect_row_shapes(here, table, rows, gradients, mean_.size());
  DeviceGuard const guard(ctx.device);
  auto const update = begin(ctx, here, config_, state_, mean_, square_, true);
  launch_row_update(ctx, here, table, rows.data, gradients, update);
}

void DeviceAdam::step(CudaContext const& ctx, VectorView<float, Space::device> values,
                      VectorView<float const, Space::device> gradients) {
  step_values(ctx, values, gradients);
}
void DeviceAdam::step(CudaContext const& ctx, VectorView<float, Space::device> values,
                      VectorView<bfloat16 const, Space::device> gradients) {
  step_values(ctx, values, gradients);
}
void DeviceAdam::step_rows(CudaContext const& ctx, MatrixView<float, Space::device> table,
                           VectorView<NodeId const, Space::device> rows,
                           MatrixView<float const, Space::device> gradients) {
  step_some_rows(ctx, table, rows, gradients);
}
void DeviceAdam::step_rows(CudaContext const& ctx, MatrixView<float, Space::device> table,
                           VectorView<NodeId const, Space::device> rows,
                           MatrixView<bfloat16 const, Space::device> gradients) {
  step_some_rows(ctx, table, rows, gradients);
}

}  // namespace relweave::optim
