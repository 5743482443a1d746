#include <relweave/optim/sgd.hpp>

#include <algorithm>
#include <limits>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/profile.hpp>

#include "rows.hpp"
#include "step_kernels.hpp"

namespace relweave::optim {

namespace {

template <typename T>
SgdStep<T> update_of(SgdConfig const& config, double learning_rate) {
  return {.learning_rate = static_cast<T>(learning_rate),
          .momentum = static_cast<T>(config.momentum),
          .dampening = static_cast<T>(config.dampening),
          .weight_decay = static_cast<T>(config.weight_decay),
          .nesterov = config.nesterov};
}

}  // namespace

template <Scalar T>
Sgd<T>::Sgd(SgdConfig const& config, std::int64_t size)
    : config_(config),
      size_(size),
      velocity_(
          Buffer<T>::filled(config.momentum != 0 ? size : 0,
                            config.dampening != 0 ? std::numeric_limits<T>::quiet_NaN() : 0)) {
  expect_settings("Sgd", config);
}

template <Scalar T>
template <typename G>
void Sgd<T>::step_values(HostContext const& ctx, VectorView<T> values,
                         VectorView<G const> gradients, double learning_rate) {
  ProfileScope const profile("sgd");
  expect_size("Sgd.step", "values", values, size_);
  expect_size("Sgd.step", "gradients", gradients, size_);
  expect_setting("Sgd.step", "learning_rate", learning_rate);
  auto const update = update_of<T>(config_, learning_rate);
  auto const& kernels = step_kernels_for<G>(ctx);
  parallel_for_blocks(ctx, size_, elements_per_task, [&](std::int64_t begin, std::int64_t end) {
    kernels.sgd(values.data + begin, gradients.data + begin,
                velocity_.empty() ? nullptr : velocity_.data() + begin, end - begin, update);
  });
}

template <Scalar T>
template <typename G>
void Sgd<T>::step_some_rows(HostContext const& ctx, MatrixView<T> table,
                            VectorView<NodeId const> rows, MatrixView<G const> gradients,
                            double learning_rate) {
  ProfileScope const profile("sgd");
  expect_rows("Sgd.step_rows", table, rows, gradients, size_);
  expect_setting("Sgd.step_rows", "learning_rate", learning_rate);
  auto const update = update_of<T>(config_, learning_rate);
  auto const& kernels = step_kernels_for<T>(ctx);
  for_each_row(ctx, rows, gradients, [&](NodeId row, T const* gradient) {
    kernels.sgd(table.row_data(row), gradient,
                velocity_.empty() ? nullptr : velocity_.data() + row * table.cols, table.cols,
                update);
  });
}

template <Scalar T>
void Sgd<T>::step(HostContext const& ctx, VectorView<T> values, VectorView<T const> gradients,
                  double learning_rate) {
  step_values(ctx, values, gradients, learning_rate);
}
template <Scalar T>
void Sgd<T>::step(HostContext const& ctx, VectorView<T> values,
                  VectorView<bfloat16 const> gradients,
                  double learning_rate) requires std::same_as<T, float> {
  step_values(ctx, values, gradients, learning_rate);
}

template <Scalar T>
void Sgd<T>::step_rows(HostContext const& ctx, MatrixView<T> table, VectorView<NodeId const> rows,
                       MatrixView<T const> gradients, double learning_rate) {
  step_some_rows(ctx, table, rows, gradients, learning_rate);
}
template <Scalar T>
void Sgd<T>::step_rows(HostContext const& ctx, MatrixView<T> table, VectorView<NodeId const> rows,
                       MatrixView<bfloat16 const> gradients,
                       double learning_rate) requires std::same_as<T, float> {
  step_some_rows(ctx, table, rows, gradients, learning_rate);
}

template <Scalar T>
void Sgd<T>::restore(In<VectorView<T const>> velocity) {
  expect_size("Sgd.restore", "velocity", velocity, velocity_.size());
  std::copy_n(velocity.data, velocity.size, velocity_.data());
}

template class Sgd<float>;
template class Sgd<double>;

}  // namespace relweave::optim
