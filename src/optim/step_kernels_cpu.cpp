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

template <typename T>
void adam(T* __restrict values, T const* __restrict gradients, T* __restrict mean,
          T* __restrict square, std::int64_t n, T beta1, T beta2, T step, T root_correction,
          T epsilon, T weight_decay) {
  for (std::int64_t i = 0; i < n; ++i) {
    T const g = gradients[i] + weight_decay * values[i];
    mean[i] = beta1 * mean[i] + (1 - beta1) * g;
    square[i] = beta2 * square[i] + (1 - beta2) * g * g;
    values[i] -= step * mean[i] / (root(square[i]) / root_correction + epsilon);
  }
}

template <typename T>
constexpr StepKernels<T> table{.adam = adam<T>};

}  // namespace

template <>
StepKernels<float> const& step_kernels<Isa::RELWEAVE_ISA_NAMESPACE, float>() {
  return table<float>;
}

template <>
StepKernels<double> const& step_kernels<Isa::RELWEAVE_ISA_NAMESPACE, double>() {
  return table<double>;
}

}  // namespace relweave::optim
