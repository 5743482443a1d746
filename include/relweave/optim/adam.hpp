#pragma once

#include <cstdint>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>

namespace relweave::optim {

struct AdamConfig {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;  ///< added to the gradient, as torch.optim.Adam does
};

/// Adam with bias correction over one flat vector of parameters.
/// Source: Kingma & Ba 2015, algorithm 1 (arXiv 1412.6980), in torch.optim.Adam's form.
template <Scalar T>
class RELWEAVE_API Adam {
 public:
  Adam(AdamConfig const& config, std::int64_t size);

  /// values, gradients (size); values are updated.
  void step(HostContext const& ctx, VectorView<T> values, In<VectorView<T const>> gradients,
            double learning_rate);

 private:
  AdamConfig config_;
  std::int64_t steps_ = 0;
  Buffer<T> mean_;
  Buffer<T> square_;
};

}  // namespace relweave::optim
