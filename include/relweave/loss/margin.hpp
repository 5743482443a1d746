#pragma once

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::loss {

struct MarginParams {
  double margin = 0.3;
};

/// Mean over examples b and negatives n of max(0, negative[b, n] - positive[b] + margin), and its
/// gradients. positive, grad_positive (B); negative, grad_negative (B, N). Outputs may be inputs.
/// A score that is NaN makes the loss NaN. Determinism: any_thread_count.
/// Throws: ConfigError for a margin that is not finite; ShapeError, for no example or no negative
/// too. Source: De Nadai et al. 2024, eq. 4 (arXiv 2403.05185).
template <Scalar T>
RELWEAVE_API double margin(HostContext const& ctx, In<VectorView<T const>> positive,
                           In<MatrixView<T const>> negative, MarginParams const& params,
                           VectorView<T> grad_positive, MatrixView<T> grad_negative);

}  // namespace relweave::loss
