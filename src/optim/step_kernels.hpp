#pragma once

#include <cstdint>

#include <relweave/core/isa.hpp>

namespace relweave::optim {

/// What an optimiser does with n elements, compiled once per instruction set.
template <typename T>
struct StepKernels {
  /// One step of Adam; see optim::Adam.
  void (*adam)(T* values, T const* gradients, T* mean, T* square, std::int64_t n, T beta1, T beta2,
               T step, T root_correction, T epsilon, T weight_decay);
};

/// Defined once per instruction set, in step_kernels_cpu.cpp; chosen by with_isa.
template <Isa isa, typename T>
StepKernels<T> const& step_kernels();

}  // namespace relweave::optim
