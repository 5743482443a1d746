// Compiled once per instruction set. No std templates here: the linker would merge their weak
// symbols across instruction sets.

#include <relweave/ops/relation_aggregate/cpu.hpp>
#include <relweave/ops/relation_aggregate/cpu_backward.hpp>

namespace relweave::ops::cpu {

namespace {

template <typename T>
constexpr RelationAggregateKernels<T> table{.forward = aggregate_rows<T>,
                                            .partial = reduce_hub<T>,
                                            .pre_activation = pre_activation_gradient<T>,
                                            .scatter = scatter_gradients<T>};

}  // namespace

template <>
RelationAggregateKernels<float> const&
relation_aggregate_kernels<Isa::RELWEAVE_ISA_NAMESPACE, float>() {
  return table<float>;
}

template <>
RelationAggregateKernels<double> const&
relation_aggregate_kernels<Isa::RELWEAVE_ISA_NAMESPACE, double>() {
  return table<double>;
}

template <>
RelationAggregateKernels<bfloat16> const&
relation_aggregate_kernels<Isa::RELWEAVE_ISA_NAMESPACE, bfloat16>() {
  return table<bfloat16>;
}

}  // namespace relweave::ops::cpu
