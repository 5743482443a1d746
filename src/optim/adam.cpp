#include <relweave/optim/adam.hpp>

#include <cmath>

#include <relweave/core/error.hpp>
#include <relweave/core/isa_dispatch.hpp>
#include <relweave/core/parallel.hpp>

#include "step_kernels.hpp"

namespace relweave::optim {

namespace {

constexpr std::int64_t task_elements = 1 << 15;

}  // namespace

template <Scalar T>
Adam<T>::Adam(AdamConfig const& config, std::int64_t size)
    : config_(config), mean_(Buffer<T>::zeros(size)), square_(Buffer<T>::zeros(size)) {}

template <Scalar T>
void Adam<T>::step(HostContext const& ctx, VectorView<T> values, In<VectorView<T const>> gradients,
                   double learning_rate) {
  expect_size("Adam.step", "values", values, mean_.size());
  expect_size("Adam.step", "gradients", gradients, mean_.size());
  ++steps_;
  auto const t = static_cast<double>(steps_);
  double const step = learning_rate / (1 - std::pow(config_.beta1, t));
  double const root_correction = std::sqrt(1 - std::pow(config_.beta2, t));
  auto const& kernels =
      with_isa(ctx, []<Isa isa>() -> StepKernels<T> const& { return step_kernels<isa, T>(); });
  parallel_for_blocks(ctx, values.size, task_elements, [&](std::int64_t begin, std::int64_t end) {
    kernels.adam(values.data + begin, gradients.data + begin, mean_.data() + begin,
                 square_.data() + begin, end - begin, static_cast<T>(config_.beta1),
                 static_cast<T>(config_.beta2), static_cast<T>(step),
                 static_cast<T>(root_correction), static_cast<T>(config_.epsilon),
                 static_cast<T>(config_.weight_decay));
  });
}

template class Adam<float>;
template class Adam<double>;

}  // namespace relweave::optim
