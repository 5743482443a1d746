// Compiled once per instruction set: plain pointers and explicit vectors only, no std templates,
// whose weak symbols the linker would merge across instruction sets.

#include <relweave/core/simd.hpp>
#include <relweave/ops/detail/row_kernels.hpp>
#include <relweave/ops/detail/row_norm.hpp>

namespace relweave::ops::detail::RELWEAVE_ISA_NAMESPACE {

namespace {

using simd::lanes;
using simd::load;
using simd::store;

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
constexpr RowKernels<T> make_table() {
  return {.axpy = axpy<T>, .dot = cpu::dot<T>, .normalize = cpu::normalize_row<T>};
}

}  // namespace

extern RowKernels<float> const kernels_float;
extern RowKernels<double> const kernels_double;
RowKernels<float> const kernels_float = make_table<float>();
RowKernels<double> const kernels_double = make_table<double>();

}  // namespace relweave::ops::detail::RELWEAVE_ISA_NAMESPACE
