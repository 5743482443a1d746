// Compiled once per instruction set. No std templates here: the linker would merge their weak
// symbols across instruction sets.

#include <relweave/ops/gather_rows/cpu.hpp>

namespace relweave::ops::cpu {

namespace {

template <typename T>
constexpr ScatterRowsKernels<T> table{.scatter = scatter_rows<T>};

}  // namespace

template <>
ScatterRowsKernels<float> const& scatter_rows_kernels<Isa::RELWEAVE_ISA_NAMESPACE, float>() {
  return table<float>;
}

template <>
ScatterRowsKernels<double> const& scatter_rows_kernels<Isa::RELWEAVE_ISA_NAMESPACE, double>() {
  return table<double>;
}

template <>
ScatterRowsKernels<bfloat16> const& scatter_rows_kernels<Isa::RELWEAVE_ISA_NAMESPACE, bfloat16>() {
  return table<bfloat16>;
}

}  // namespace relweave::ops::cpu
