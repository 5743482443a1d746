#include <relweave/core/error.hpp>
#include <relweave/optim/sgd.hpp>

#include "device_steps.cuh"
#include "rows.hpp"

namespace relweave::optim {

namespace {

struct SgdUpdate {
  SgdStep<float> s;
  float const* learning_rate;
  float* velocity;  // null without momentum

  __device__ void prepare() { s.learning_rate = *learning_rate; }
  __device__ float operator()(float value, float gradient, std::int64_t at) const {
    float const g = sum(gradient, product(s.weight_decay, value));
    float direction = g;
    if (velocity != nullptr) {
      float const before = velocity[at];  // with dampening, NaN where there was no step yet
      float const damped = s.dampening != 0 ? product(1 - s.dampening, g) : g;
      float const v =
          s.dampening != 0 && before != before ? g : sum(product(s.momentum, before), damped);
      velocity[at] = v;
      direction = s.nesterov ? sum(g, product(s.momentum, v)) : v;
    }
    return sum(value, -product(s.learning_rate, direction));
  }
};

SgdUpdate update_of(SgdConfig const& config, Buffer<float, Space::device>& learning_rate,
                    Buffer<float, Space::device>& velocity) {
  return {.s = {.learning_rate = 0,
                .momentum = static_cast<float>(config.momentum),
                .dampening = static_cast<float>(config.dampening),
                .weight_decay = static_cast<float>(config.weight_decay),
                .nesterov = config.nesterov},
          .learning_rate = learning_rate.data(),
          .velocity = velocity.data()};
}

}  // namespace

DeviceSgd::DeviceSgd(CudaContext const& ctx, SgdConfig const& config, std::int64_t size,
                     double learning_rate)
    : config_(config), size_(size) {
  constexpr std::string_view here = "DeviceSgd";
  expect_cuda(here, ctx);
  expect_settings(here, config);
  expect_setting(here, "learning_rate", learning_rate);
  DeviceGuard const guard(ctx.device);
  reset_to(ctx, here, config.dampening != 0 ? all_nan : 0, velocity_,
           config.momentum != 0 ? size : 0);
  learning_rate_.reset(1);
  launch_set(ctx, here, learning_rate_.data(), static_cast<float>(learning_rate));
}

void DeviceSgd::set_learning_rate(CudaContext const& ctx, double learning_rate) {
  constexpr std::string_view here = "DeviceSgd.set_learning_rate";
  expect_cuda(here, ctx);
  expect_setting(here, "learning_rate", learning_rate);
  DeviceGuard const guard(ctx.device);
  launch_set(ctx, here, learning_rate_.data(), static_cast<float>(learning_rate));
}

template <typename T>
void DeviceSgd::step_values(CudaContext const& ctx, VectorView<float, Space::device> values,
                            VectorView<T const, Space::device> gradients) {
  constexpr std::string_view here = "DeviceSgd.step";
  expect_cuda(here, ctx);
  expect_size(here, "values", values, size_);
  expect_size(here, "gradients", gradients, size_);
  DeviceGuard const guard(ctx.device);
  launch_update(ctx, here, values, gradients.data, update_of(config_, learning_rate_, velocity_));
}

template <typename T>
void DeviceSgd::step_some_rows(CudaContext const& ctx, MatrixView<float, Space::device> table,
                               VectorView<NodeId const, Space::device> rows,
                               MatrixView<T const, Space::device> gradients) {
  constexpr std::string_view here = "DeviceSgd.step_rows";
  expect_cuda(here, ctx);
  expect_row_shapes(here, table, rows, gradients, size_);
  DeviceGuard const guard(ctx.device);
  launch_row_update(ctx, here, table, rows.data, gradients,
                    update_of(config_, learning_rate_, velocity_));
}

void DeviceSgd::step(CudaContext const& ctx, VectorView<float, Space::device> values,
                     VectorView<float const, Space::device> gradients) {
  step_values(ctx, values, gradients);
}
void DeviceSgd::step(CudaContext const& ctx, VectorView<float, Space::device> values,
                     VectorView<bfloat16 const, Space::device> gradients) {
  step_values(ctx, values, gradients);
}
void DeviceSgd::step_rows(CudaContext const& ctx, MatrixView<float, Space::device> table,
                          VectorView<NodeId const, Space::device> rows,
                          MatrixView<float const, Space::device> gradients) {
  step_some_rows(ctx, table, rows, gradients);
}
void DeviceSgd::step_rows(CudaContext const& ctx, MatrixView<float, Space::device> table,
                          VectorView<NodeId const, Space::device> rows,
                          MatrixView<bfloat16 const, Space::device> gradients) {
  step_some_rows(ctx, table, rows, gradients);
}

}  // namespace relweave::optim
