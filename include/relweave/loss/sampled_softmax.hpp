#pragma once

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::loss {

/// The columns of a score matrix: the unique items of a batch.
template <HostScalar T>
struct Candidates {
  VectorView<NodeId const> target;     ///< (B) column of each row's positive
  VectorView<Compute<T> const> log_q;  ///< (N) log probability that the column's item is sampled
  VectorView<Compute<T> const> count;  ///< (N) how often the item is in the batch; empty: once
};

struct SampledSoftmaxParams {
  double temperature = 0.05;
  double correction = 1.0;  ///< share of log q that is subtracted
};

/// Softmax cross entropy over in-batch candidates with popularity correction:
///   l[b, n] = scores[b, n] / temperature - correction * log_q[n] + log(count[n]),  n != target[b],
/// the target without its count, and the weighted mean over b of -log softmax(l[b])[target[b]].
/// That equals the B x B formulation in which duplicates of the positive are masked. Frequent items
/// are sampled often, so without the correction (or with its sign wrong) they are pushed down.
/// scores, grad (B, N), grad may be scores; row_weights (B) or empty: ones.
/// Numerics: logits and exponentials in T (float for bfloat16, gradients rounded once), the latter
/// within 2 ulp, but 0 where e^x would be below the smallest normal float; sums in double. A score
/// of -infinity leaves its column out; one that is NaN makes the loss NaN.
/// Determinism: any_thread_count.
/// Throws: ShapeError, for no row too; IndexError for a target outside the columns; ConfigError for
/// a temperature or count that is not above 0.
/// Source: Yi et al. 2019, Sampling-Bias-Corrected Neural Modeling, eqs. 3-5 (RecSys).
template <HostScalar T>
RELWEAVE_API double sampled_softmax(HostContext const& ctx, In<MatrixView<T const>> scores,
                                    In<Candidates<T>> const& candidates,
                                    SampledSoftmaxParams const& params,
                                    In<VectorView<Compute<T> const>> row_weights,
                                    MatrixView<T> grad);

/// Candidates on a device, in float whatever the type of the scores.
struct DeviceCandidates {
  VectorView<NodeId const, Space::device> target;  ///< (B)
  VectorView<float const, Space::device> log_q;    ///< (N)
  VectorView<float const, Space::device> count;    ///< (N); empty: once
};

namespace detail {

template <typename T, Space S>
struct CandidatesOf {
  using Type = Candidates<T>;
};
template <typename T>
struct CandidatesOf<T, Space::device> {
  using Type = DeviceCandidates;
};

}  // namespace detail

/// Candidates in a space, for code that is the same for both.
template <typename T, Space S>
using CandidatesOf = typename detail::CandidatesOf<T, S>::Type;

/// sampled_softmax on a device, the loss to `loss` (1). Targets, counts and weights may come from a
/// kernel: they are trusted, not checked. Weights that add up to 0 make the loss NaN.
/// Numerics:    logits and their exponentials in float, sums in double; gradients rounded once.
/// Cost:        three launches, four with row_weights; each score read three times, twice of them
///              from a cache, and each gradient written once. Workspace: 8 bytes per row and per
///              column, and 1024.
/// Determinism: run_to_run, and the same for any number of multiprocessors: sums in a fixed order.
/// Throws:      ShapeError as on the host; ConfigError for a temperature that is not above 0, and
///              when the workspace is too small; also NotCompiledError, DeviceError, CudaError.
template <DeviceScalar T>
RELWEAVE_API void sampled_softmax(CudaContext const& ctx,
                                  In<MatrixView<T const, Space::device>> scores,
                                  DeviceCandidates const& candidates,
                                  SampledSoftmaxParams const& params,
                                  In<VectorView<float const, Space::device>> row_weights,
                                  MatrixView<T, Space::device> grad,
                                  VectorView<double, Space::device> loss);

}  // namespace relweave::loss
