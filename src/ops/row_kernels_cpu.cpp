// Compiled once per instruction set: plain pointers and explicit vectors only, no std templates,
// whose weak symbols the linker would merge across instruction sets.

#include <relweave/core/simd.hpp>
#include <relweave/ops/detail/row_kernels.hpp>

namespace relweave::ops::detail::RELWEAVE_ISA_NAMESPACE {

namespace {

using simd::lanes;
using simd::load;
using simd::store;
using simd::Vec;

template <typename T>
void axpy(T a, T const* x, std::int64_t d, T* y) {
  std::int64_t f = 0;
  for (; f + lanes<T> <= d; f += lanes<T>) {
    store(y + f, load<lanes<T>>(y + f) + a * load<lanes<T>>(x + f));
  }
  for (; f < d; ++f) {
    y[f] += a * x[f];
  }
}

template <typename T>
T dot(T const* x, T const* y, std::int64_t d) {
  Vec<T> totals = {};
  std::int64_t f = 0;
  for (; f + lanes<T> <= d; f += lanes<T>) {
    totals += load<lanes<T>>(x + f) * load<lanes<T>>(y + f);
  }
  T total = 0;
  for (; f < d; ++f) {
    total += x[f] * y[f];
  }
  for (std::int64_t l = 0; l < lanes<T>; ++l) {
    total += totals[l];
  }
  return total;
}

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
constexpr RowKernels<T> make_table() {
  return {

      .axpy = axpy<T>, .dot = dot<T>, .adam = adam<T>};
}

}  // namespace

extern RowKernels<float> const kernels_float;
extern RowKernels<double> const kernels_double;
RowKernels<float> const kernels_float = make_table<float>();
RowKernels<double> const kernels_double = make_table<double>();

}  // namespace relweave::ops::detail::RELWEAVE_ISA_NAMESPACE
