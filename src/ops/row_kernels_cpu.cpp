// Compiled once per instruction set. No std templates here: the linker would merge their weak
// symbols across instruction sets.

#include <relweave/core/simd.hpp>
#include <relweave/ops/detail/row_kernels.hpp>
#include <relweave/ops/detail/row_norm.hpp>

namespace relweave::ops::detail {

namespace {

template <typename T>
void add(T const* x, std::int64_t d, Compute<T>* sum) {
  simd::for_pieces<T, 1>(0, d, [&]<std::int64_t L, std::int64_t N>(std::int64_t f) {
    simd::store(sum + f, simd::load<L>(sum + f) + simd::load<L>(x + f));
  });
}

template <typename T>
constexpr RowKernels<T> table{.add = add<T>,
                              .dot = cpu::dot<T>,
                              .normalize = cpu::normalize_row<T, T>,
                              .normalize_backward = cpu::normalize_row_backward<T>};

}  // namespace

template <>
RowKernels<float> const& row_kernels_of<Isa::RELWEAVE_ISA_NAMESPACE, float>() {
  return table<float>;
}

template <>
RowKernels<double> const& row_kernels_of<Isa::RELWEAVE_ISA_NAMESPACE, double>() {
  return table<double>;
}

template <>
RowKernels<bfloat16> const& row_kernels_of<Isa::RELWEAVE_ISA_NAMESPACE, bfloat16>() {
  return table<bfloat16>;
}

}  // namespace relweave::ops::detail
