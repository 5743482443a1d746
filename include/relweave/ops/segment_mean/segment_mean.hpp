#pragma once

#include <cstdint>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>
#include <relweave/ops/gather_rows/device_indices.hpp>

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
/// Numerics:    accumulates in Compute<T>, the type of the weights, in the order of the entries,
///              rounded once into bfloat16. A segment whose weights sum to 0 has
///              mean 0. NaN in x or weights reaches out. Weights are meant to be non-negative.
/// Aliasing:    out may not overlap x.
/// Cost:        2 n_entries d operations; (n_entries + n_segments) d sizeof(T) bytes.
///              Workspace: n_segments Compute<T>, the factor of each segment.
/// Determinism: any_thread_count: each segment is one sequence of sums.
/// Throws:      ShapeError when out or weights have the wrong size or offsets have no element;
///              IndexError when offsets descend or leave the entries, or an index is outside
///              [0, n); ConfigError for Reduce::max.
/// Source:      De Nadai et al. 2024, section 4.2: a user is the mean of the items by type
///              (arXiv:2403.05185).
template <HostScalar T>
RELWEAVE_API void segment_mean(HostContext const& ctx, Segments<Compute<T>> const& segments,
                               In<MatrixView<T const>> x, SegmentMeanParams const& params,
                               MatrixView<T> out);

/// Gradient of segment_mean in x: grad_x[j] = sum of w_e / sum w grad_out[s] over the entries e
/// with index j; without the division for Reduce::sum. Always overwrites grad_x: `accumulate`
/// concerns `out` alone. Weights get none.
/// Shapes:      grad_out (n_segments, d); grad_x (n, d).
/// Numerics:    sums in Compute<T>, in the order of the entries, rounded once. Under mean, a
/// segment whose weights sum to
///              0 gives no gradient. A row without an entry gets 0.
/// Aliasing:    grad_x may not overlap grad_out.
/// Cost:        2 n_entries d operations, plus n d sizeof(T) bytes written. Workspace:
///              n_segments Compute<T>, and per thread one tile of columns of grad_x where that fits
///              a cache or T is bfloat16.
/// Determinism: any_thread_count: tasks own columns of grad_x.
/// Throws:      as segment_mean, with grad_out in place of out.
/// Source:      derived from the formula of segment_mean.
template <HostScalar T>
RELWEAVE_API void segment_mean_backward(HostContext const& ctx,
                                        Segments<Compute<T>> const& segments,
                                        In<MatrixView<T const>> grad_out,
                                        SegmentMeanParams const& params, MatrixView<T> grad_x);

/// Segments on a device, validated on the way: which row and which segment each entry joins, both
/// with their inverse, for the pass there and the pass back.
class RELWEAVE_API DeviceSegments {
 public:
  DeviceSegments() = default;
  DeviceSegments(CudaContext const& ctx, Segments<float> const& segments, std::int64_t rows,
                 DeviceIndicesOptions const& options = {}) {
    upload(ctx, segments, rows, options);
  }

  /// Replaces the contents, on the context's stream, by segments of a table of `rows` rows;
  /// allocates only to grow. `segments` may change when this returns.
  /// Throws as segment_mean and as DeviceIndices.
  void upload(CudaContext const& ctx, Segments<float> const& segments, std::int64_t rows,
              DeviceIndicesOptions const& options = {});

  DeviceIndices const& entry_rows() const { return entry_rows_; }          // of the table
  DeviceIndices const& entry_segments() const { return entry_segments_; }  // ascending
  /// Of each entry; empty for ones.
  VectorView<float const, Space::device> weights() const { return weights_.view(); }
  /// One over the sum of the weights of each segment, 0 where that is 0.
  VectorView<float const, Space::device> scales() const { return scales_.view(); }

  /// Bytes of workspace that segment_mean or its backward pass takes for rows of d features.
  std::int64_t workspace(std::int64_t d) const;

 private:
  DeviceIndices entry_rows_, entry_segments_;
  Buffer<float, Space::device> weights_, scales_;
  StagedUpload staged_;
};

/// segment_mean on a device: the same result, sums in float, weights in float whatever T is; long
/// segments in chunks, merged in order. One launch, another with hubs, and without `accumulate` one
/// to fill the rows of empty segments.
/// Cost:        as on the host. Workspace: segments.workspace(d).
/// Determinism: run_to_run, and the same for any number of multiprocessors.
/// Throws:      ShapeError when x is not the table of the segments or out does not fit; ConfigError
///              for Reduce::max or when the workspace is too small; also NotCompiledError,
///              DeviceError, CudaError.
template <DeviceScalar T>
RELWEAVE_API void segment_mean(CudaContext const& ctx, DeviceSegments const& segments,
                               In<MatrixView<T const, Space::device>> x,
                               SegmentMeanParams const& params, MatrixView<T, Space::device> out);

/// segment_mean_backward on a device: a gather over the inverse, no atomics. Launches as the
/// forward pass; one to fill the rows that no entry names.
template <DeviceScalar T>
RELWEAVE_API void segment_mean_backward(CudaContext const& ctx, DeviceSegments const& segments,
                                        In<MatrixView<T const, Space::device>> grad_out,
                                        SegmentMeanParams const& params,
                                        MatrixView<T, Space::device> grad_x);

}  // namespace relweave::ops
