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

template <typename T>
constexpr RowKernels<T> make_table() {
  return {.axpy = axpy<T>, .dot = dot<T>};
}

}  // namespace

extern RowKernels<float> const kernels_float;
extern RowKernels<double> const kernels_double;
RowKernels<float> const kernels_float = make_table<float>();
RowKernels<double> const kernels_double = make_table<double>();

}  // namespace relweave::ops::detail::RELWEAVE_ISA_NAMESPACE
