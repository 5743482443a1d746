#pragma once

#include <cstdint>

#include <relweave/core/context.hpp>
#include <relweave/core/isa.hpp>
#include <relweave/core/isa_dispatch.hpp>
#include <relweave/core/types.hpp>

namespace relweave::optim {

template <typename T>
struct AdamStep {
  T beta1, beta2;
  T step;             ///< learning rate over the correction of the mean
  T root_correction;  ///< divides the root of the square, before epsilon is added
  T epsilon;
  T weight_decay;
};

template <typename T>
struct SgdStep {
  T learning_rate;
  T momentum;
  T dampening;
  T weight_decay;
  bool nesterov;
};

/// One step on n elements that follow each other, with gradients of type G.
template <typename G, typename T = Compute<G>>
struct StepKernels {
  void (*adam)(T* values, G const* gradients, T* mean, T* square, std::int64_t n,
               AdamStep<T> const& settings);
  /// velocity: nullptr without momentum; with dampening, NaN where there was no step yet.
  void (*sgd)(T* values, G const* gradients, T* velocity, std::int64_t n,
              SgdStep<T> const& settings);
};

/// Defined once per instruction set, in step_kernels_cpu.cpp.
template <Isa isa, typename G>
StepKernels<G> const& step_kernels();

template <typename G>
StepKernels<G> const& step_kernels_for(HostContext const& ctx) {
  return with_isa(ctx, []<Isa isa>() -> StepKernels<G> const& { return step_kernels<isa, G>(); });
}

/// Parameters per task of a parallel step.
inline constexpr std::int64_t elements_per_task = 1 << 15;

}  // namespace relweave::optim
