// Compiled once per instruction set. No std templates here: the linker would merge their weak
// symbols across instruction sets.

#include <relweave/ops/top_k/cpu.hpp>

namespace relweave::ops::cpu {

namespace {

template <typename T>
constexpr TopKKernels<T> table{.first_above = first_above<T>};

}  // namespace

template <>
TopKKernels<float> const& top_k_kernels<Isa::RELWEAVE_ISA_NAMESPACE, float>() {
  return table<float>;
}

template <>
TopKKernels<double> const& top_k_kernels<Isa::RELWEAVE_ISA_NAMESPACE, double>() {
  return table<double>;
}

template <>
TopKKernels<bfloat16> const& top_k_kernels<Isa::RELWEAVE_ISA_NAMESPACE, bfloat16>() {
  return table<bfloat16>;
}

}  // namespace relweave::ops::cpu
