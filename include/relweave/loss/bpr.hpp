#pragma once

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::loss {

/// Mean over examples b and negatives n of log(1 + exp(negative[b, n] - positive[b])), and its
/// gradients. positive, grad_positive (B); negative, grad_negative (B, N). Outputs may be inputs.
/// A score that is NaN makes the loss NaN. Determinism: any_thread_count.
/// Throws: ShapeError, for no example or no negative too.
/// Source: Rendle et al. 2009, BPR, section 4.1 (arXiv 1205.2618), without its regulariser.
template <Scalar T>
RELWEAVE_API double bpr(HostContext const& ctx, In<VectorView<T const>> positive,
                        In<MatrixView<T const>> negative, VectorView<T> grad_positive,
                        MatrixView<T> grad_negative);

}  // namespace relweave::loss
