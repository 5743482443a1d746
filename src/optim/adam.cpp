#include <relweave/optim/adam.hpp>

#include <algorithm>
#include <cmath>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/profile.hpp>

#include "rows.hpp"
#include "step_kernels.hpp"

namespace relweave::optim {

namespace {

template <typename T>
AdamStep<T> update_of(AdamConfig const& config, double step, double root_correction) {
  return {.beta1 = static_cast<T>(config.beta1),
          .beta2 = static_cast<T>(config.beta2),
          .step = static_cast<T>(step),
          .root_correction = static_cast<T>(root_correction),
          .epsilon = static_cast<T>(config.epsilon),
          .weight_decay = static_cast<T>(config.weight_decay)};
}

}  // namespace

template <Scalar T>
Adam<T>::Adam(AdamConfig const& config, std::int64_t size)
    : config_(config), mean_(Buffer<T>::zeros(size)), square_(Buffer<T>::zeros(size)) {
  expect_settings("Adam", config);
}

template <Scalar T>
template <typename G>
void Adam<T>::step_values(HostContext const& ctx, VectorView<T> values,
                          VectorView<G const> gradients, double learning_rate) {
  ProfileScope const profile("adam");
  expect_size("Adam.step", "values", values, mean_.size());
  expect_size("Adam.step", "gradients", gradients, mean_.size());
  expect_setting("Adam.step", "learning_rate", learning_rate);
  auto const t = static_cast<double>(++steps_);
  auto const update = update_of<T>(config_, learning_rate / (1 - std::pow(config_.beta1, t)),
                                   std::sqrt(1 - std::pow(config_.beta2, t)));
  auto const& kernels = step_kernels_for<G>(ctx);
  parallel_for_blocks(
      ctx, values.size, elements_per_task, [&](std::int64_t begin, std::int64_t end) {
        kernels.adam(values.data + begin, gradients.data + begin, mean_.data() + begin,
                     square_.data() + begin, end - begin, update);
      });
}

template <Scalar T>
template <typename G>
void Adam<T>::step_some_rows(HostContext const& ctx, MatrixView<T> table,
                             VectorView<NodeId const> rows, MatrixView<G const> gradients,
                             double learning_rate) {
  ProfileScope const profile("adam");
  expect_rows("Adam.step_rows", table, rows, gradients, mean_.size());
  expect_setting("Adam.step_rows", "learning_rate", learning_rate);
  auto const t = static_cast<double>(++steps_);
  double const correction = std::sqrt(1 - std::pow(config_.beta2, t));
  auto const update =
      update_of<T>(config_, learning_rate * correction / (1 - std::pow(config_.beta1, t)), 1);
  auto const& kernels = step_kernels_for<T>(ctx);
  for_each_row(ctx, rows, gradients, [&](NodeId row, T const* gradient) {
    std::int64_t const at = row * table.cols;
    kernels.adam(table.row_data(row), gradient, mean_.data() + at, square_.data() + at, table.cols,
                 update);
  });
}

template <Scalar T>
void Adam<T>::step(HostContext const& ctx, VectorView<T> values, VectorView<T const> gradients,
                   double learning_rate) {
  step_values(ctx, values, gradients, learning_rate);
}
template <Scalar T>
void Adam<T>::step(HostContext const& ctx, VectorView<T> values,
                   VectorView<bfloat16 const> gradients,
                   double learning_rate) requires std::same_as<T, float> {
  step_values(ctx, values, gradients, learning_rate);
}

template <Scalar T>
void Adam<T>::step_rows(HostContext const& ctx, MatrixView<T> table, VectorView<NodeId const> rows,
                        MatrixView<T const> gradients, double learning_rate) {
  step_some_rows(ctx, table, rows, gradients, learning_rate);
}
template <Scalar T>
void Adam<T>::step_rows(HostContext const& ctx, MatrixView<T> table, VectorView<NodeId const> rows,
                        MatrixView<bfloat16 const> gradients,
                        double learning_rate) requires std::same_as<T, float> {
  step_some_rows(ctx, table, rows, gradients, learning_rate);
}

template <Scalar T>
void Adam<T>::restore(std::int64_t steps, In<VectorView<T const>> mean,
                      In<VectorView<T const>> square) {
  expect_setting("Adam.restore", "steps", static_cast<double>(steps));
  expect_size("Adam.restore", "mean", mean, mean_.size());
  expect_size("Adam.restore", "square", square, square_.size());
  steps_ = steps;
  std::copy_n(mean.data, mean.size, mean_.data());
  std::copy_n(square.data, square.size, square_.data());
}

template class Adam<float>;
template class Adam<double>;

}  // namespace relweave::optim
