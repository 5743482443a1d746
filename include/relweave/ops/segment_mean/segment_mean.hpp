#pragma once

#include <cstdint>

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::ops {

/// Rows to pool: segment s takes rows indices[offsets[s] .. offsets[s + 1]) of x. The offsets may
/// start above 0, so that a range of segments is a slice of `offsets` alone.
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

/// Pool rows of a table by segment: out[s] = sum_e w_e x[indices[e]] / sum_e w_e over the entries e
/// of segment s; without the division for Reduce::sum.
/// Shapes:      x (n, d); out (n_segments, d).
/// Numerics:    accumulates in T, in the order of the entries. A segment whose weights sum to 0 has
///              mean 0. NaN in x or weights reaches out. Weights are meant to be non-negative.
/// Aliasing:    out may not overlap x.
/// Cost:        2 n_entries d operations; (n_entries + n_segments) d sizeof(T) bytes.
///              Workspace: n_segments T, the factor of each segment.
/// Determinism: any_thread_count: each segment is one sequence of sums.
/// Throws:      ShapeError when out or weights have the wrong size or offsets have no element;
///              IndexError when offsets descend or leave the entries, or an index is outside
///              [0, n); ConfigError for Reduce::max.
/// Source:      De Nadai et al. 2024, section 4.2: a user is the mean of the items by type
///              (arXiv:2403.05185).
template <Scalar T>
RELWEAVE_API void segment_mean(HostContext const& ctx, Segments<T> const& segments,
                               In<MatrixView<T const>> x, SegmentMeanParams const& params,
                               MatrixView<T> out);

/// Gradient of segment_mean in x: grad_x[j] = sum of w_e / sum w grad_out[s] over the entries e
/// with index j; without the division for Reduce::sum. Always overwrites grad_x: `accumulate`
/// concerns `out` alone. Weights get none.
/// Shapes:      grad_out (n_segments, d); grad_x (n, d).
/// Numerics:    sums in T, in the order of the entries. Under mean, a segment whose weights sum to
///              0 gives no gradient. A row without an entry gets 0.
/// Aliasing:    grad_x may not overlap grad_out.
/// Cost:        2 n_entries d operations, plus n d sizeof(T) bytes written. Workspace:
///              n_segments T, and per thread one tile of columns of grad_x where that fits a cache.
/// Determinism: any_thread_count: tasks own columns of grad_x.
/// Throws:      as segment_mean, with grad_out in place of out.
/// Source:      derived from the formula of segment_mean.
template <Scalar T>
RELWEAVE_API void segment_mean_backward(HostContext const& ctx, Segments<T> const& segments,
                                        In<MatrixView<T const>> grad_out,
                                        SegmentMeanParams const& params, MatrixView<T> grad_x);

}  // namespace relweave::ops
