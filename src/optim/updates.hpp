#pragma once

#include <cstdint>

#include <relweave/core/context.hpp>
#include <relweave/core/isa.hpp>
#include <relweave/core/isa_dispatch.hpp>

namespace relweave::optim {

template <typename T>
struct AdamUpdate {
  T beta1, beta2;
  T step;             ///< learning rate over the correction of the mean
  T root_correction;  ///< divides the root of the square, before epsilon is added
  T epsilon;
  T weight_decay;
};

template <typename T>
struct SgdUpdate {
  T learning_rate;
  T momentum;
  T weight_decay;
  bool nesterov;
};

/// One step on n elements that follow each other.
template <typename T>
struct UpdateKernels {
  void (*adam)(T* values, T const* gradients, T* mean, T* square, std::int64_t n,
               AdamUpdate<T> const& update);
  /// velocity: nullptr without momentum.
  void (*sgd)(T* values, T const* gradients, T* velocity, std::int64_t n,
              SgdUpdate<T> const& update);
};

/// Defined once per instruction set, in updates_cpu.cpp.
template <Isa isa, typename T>
UpdateKernels<T> const& update_kernels_of();

template <typename T>
UpdateKernels<T> const& update_kernels(HostContext const& ctx) {
  return with_isa(ctx,
                  []<Isa isa>() -> UpdateKernels<T> const& { return update_kernels_of<isa, T>(); });
}

/// Parameters per task of a parallel step.
inline constexpr std::int64_t elements_per_task = 1 << 15;

}  // namespace relweave::optim
