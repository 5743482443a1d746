#pragma once

#include <cstdint>

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::ops {

/// Rows to pool: segment s takes rows indices[offsets[s] .. offsets[s + 1]) of x.
template <Scalar T>
struct Segments {
  VectorView<std::int64_t const> offsets;  // (n_segments + 1)
  VectorView<NodeId const> indices;        // (n_entries)
  VectorView<T const> weights;             // (n_entries), or empty for ones
};

struct SegmentMeanParams {
  /// Reduce::mean divides by the sum of the weights (an empty or weightless segment gives 0);
  /// Reduce::sum does not. Reduce::max is refused.
  Reduce reduce = Reduce::mean;
  /// Add to `out` instead of overwriting it.
  bool accumulate = false;
};

/// out[s] = sum_e w_e x[indices[e]] / sum_e w_e over the entries e of segment s. out (n_segments,
/// d).
template <Scalar T>
RELWEAVE_API void segment_mean(HostContext const& ctx, Segments<T> const& segments,
                               In<MatrixView<T const>> x, SegmentMeanParams const& params,
                               MatrixView<T> out);

/// Overwrites grad_x (rows of x, d).
template <Scalar T>
RELWEAVE_API void segment_mean_backward(HostContext const& ctx, Segments<T> const& segments,
                                        In<MatrixView<T const>> grad_out,
                                        SegmentMeanParams const& params, MatrixView<T> grad_x);

}  // namespace relweave::ops
