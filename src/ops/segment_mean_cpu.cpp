// Compiled once per instruction set. No std templates here: the linker would merge their weak
// symbols across instruction sets.

#include <relweave/ops/segment_mean/cpu.hpp>

namespace relweave::ops::cpu {

namespace {

template <typename T>
constexpr SegmentMeanKernels<T> table{.forward = pool<T>, .scatter = scatter_segments<T>};

}  // namespace

template <>
SegmentMeanKernels<float> const& segment_mean_kernels<Isa::RELWEAVE_ISA_NAMESPACE, float>() {
  return table<float>;
}

template <>
SegmentMeanKernels<double> const& segment_mean_kernels<Isa::RELWEAVE_ISA_NAMESPACE, double>() {
  return table<double>;
}

template <>
SegmentMeanKernels<bfloat16> const& segment_mean_kernels<Isa::RELWEAVE_ISA_NAMESPACE, bfloat16>() {
  return table<bfloat16>;
}

}  // namespace relweave::ops::cpu
