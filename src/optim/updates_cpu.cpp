// Compiled once per instruction set. No std templates here: the linker would merge their weak
// symbols across instruction sets.

#include "updates.hpp"

namespace relweave::optim {

namespace {

inline float root(float x) {
  return __builtin_sqrtf(x);
}
inline double root(double x) {
  return __builtin_sqrt(x);
}

template <typename T>
void adam(T* __restrict values, T const* __restrict gradients, T* __restrict mean,
          T* __restrict square, std::int64_t n, AdamUpdate<T> const& update) {
  AdamUpdate<T> const u = update;
  for (std::int64_t i = 0; i < n; ++i) {
    T const g = gradients[i] + u.weight_decay * values[i];
    mean[i] = u.beta1 * mean[i] + (1 - u.beta1) * g;
    square[i] = u.beta2 * square[i] + (1 - u.beta2) * g * g;
    values[i] -= u.step * mean[i] / (root(square[i]) / u.root_correction + u.epsilon);
  }
}

template <bool Nesterov, typename T>
void sgd_with_momentum(T* __restrict values, T const* __restrict gradients, T* __restrict velocity,
                       std::int64_t n, SgdUpdate<T> const& update) {
  SgdUpdate<T> const u = update;
  for (std::int64_t i = 0; i < n; ++i) {
    T const g = gradients[i] + u.weight_decay * values[i];
    velocity[i] = u.momentum * velocity[i] + g;
    values[i] -= u.learning_rate * (Nesterov ? g + u.momentum * velocity[i] : velocity[i]);
  }
}

template <typename T>
void sgd(T* __restrict values, T const* __restrict gradients, T* velocity, std::int64_t n,
         SgdUpdate<T> const& update) {
  if (velocity != nullptr) {
    return update.nesterov ? sgd_with_momentum<true>(values, gradients, velocity, n, update)
                           : sgd_with_momentum<false>(values, gradients, velocity, n, update);
  }
  SgdUpdate<T> const u = update;
  for (std::int64_t i = 0; i < n; ++i) {
    values[i] -= u.learning_rate * (gradients[i] + u.weight_decay * values[i]);
  }
}

template <typename T>
constexpr UpdateKernels<T> table{.adam = adam<T>, .sgd = sgd<T>};

}  // namespace

template <>
UpdateKernels<float> const& update_kernels_of<Isa::RELWEAVE_ISA_NAMESPACE, float>() {
  return table<float>;
}

template <>
UpdateKernels<double> const& update_kernels_of<Isa::RELWEAVE_ISA_NAMESPACE, double>() {
  return table<double>;
}

}  // namespace relweave::optim
