// Compiled once per instruction set. No std templates here: the linker would merge their weak
// symbols across instruction sets.

#include "step_kernels.hpp"

namespace relweave::optim {

namespace {

inline float root(float x) {
  return __builtin_sqrtf(x);
}
inline double root(double x) {
  return __builtin_sqrt(x);
}

template <typename G, typename T = Compute<G>>
void adam(T* __restrict values, G const* __restrict gradients, T* __restrict mean,
          T* __restrict square, std::int64_t n, AdamStep<T> const& settings) {
  AdamStep<T> const s = settings;
  for (std::int64_t i = 0; i < n; ++i) {
    T const g = static_cast<T>(gradients[i]) + s.weight_decay * values[i];
    mean[i] = s.beta1 * mean[i] + (1 - s.beta1) * g;
    square[i] = s.beta2 * square[i] + (1 - s.beta2) * g * g;
    values[i] -= s.step * mean[i] / (root(square[i]) / s.root_correction + s.epsilon);
  }
}

template <bool Nesterov, typename G, typename T = Compute<G>>
void sgd_with_momentum(T* __restrict values, G const* __restrict gradients, T* __restrict velocity,
                       std::int64_t n, SgdStep<T> const& settings) {
  SgdStep<T> const s = settings;
  for (std::int64_t i = 0; i < n; ++i) {
    T const g = static_cast<T>(gradients[i]) + s.weight_decay * values[i];
    velocity[i] = s.momentum * velocity[i] + g;
    values[i] -= s.learning_rate * (Nesterov ? g + s.momentum * velocity[i] : velocity[i]);
  }
}

template <typename G, typename T = Compute<G>>
void sgd_dampened(T* __restrict values, G const* __restrict gradients, T* __restrict velocity,
                  std::int64_t n, SgdStep<T> const& settings) {
  SgdStep<T> const s = settings;
  for (std::int64_t i = 0; i < n; ++i) {
    T const g = static_cast<T>(gradients[i]) + s.weight_decay * values[i];
    T const next = s.momentum * velocity[i] + (1 - s.dampening) * g;
    velocity[i] = velocity[i] != velocity[i] ? g : next;
    values[i] -= s.learning_rate * velocity[i];
  }
}

template <typename G, typename T = Compute<G>>
void sgd(T* __restrict values, G const* __restrict gradients, T* velocity, std::int64_t n,
         SgdStep<T> const& settings) {
  if (velocity != nullptr && settings.dampening != 0) {
    return sgd_dampened(values, gradients, velocity, n, settings);
  }
  if (velocity != nullptr) {
    return settings.nesterov ? sgd_with_momentum<true>(values, gradients, velocity, n, settings)
                             : sgd_with_momentum<false>(values, gradients, velocity, n, settings);
  }
  SgdStep<T> const s = settings;
  for (std::int64_t i = 0; i < n; ++i) {
    values[i] -= s.learning_rate * (static_cast<T>(gradients[i]) + s.weight_decay * values[i]);
  }
}

template <typename G>
constexpr StepKernels<G> table{.adam = adam<G>, .sgd = sgd<G>};

}  // namespace

template <>
StepKernels<float> const& step_kernels<Isa::RELWEAVE_ISA_NAMESPACE, float>() {
  return table<float>;
}

template <>
StepKernels<double> const& step_kernels<Isa::RELWEAVE_ISA_NAMESPACE, double>() {
  return table<double>;
}

template <>
StepKernels<bfloat16> const& step_kernels<Isa::RELWEAVE_ISA_NAMESPACE, bfloat16>() {
  return table<bfloat16>;
}

}  // namespace relweave::optim
