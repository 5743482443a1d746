#pragma once

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::loss {

/// The papers' two-tower loss and its gradient: mean over b of
///   sum_{n != target[b]} w[n] s[b, n] / sum_{n != target[b]} w[n]  -  s[b, target[b]],
/// with w[n] the inverse popularity of the column's item times its count in the batch. Linear in
/// the scores, so unbounded below: it diverges unless the scores are bounded. Here they are dot
/// products of unit vectors, which keeps the loss in [-2, 2].
/// scores, grad (B, N), grad may be scores; target (B); weights (N), not negative.
/// Numerics: in double, gradients rounded once. A score that is NaN makes the loss NaN.
/// Determinism: any_thread_count.
/// Throws: ShapeError, for no row too; IndexError for a target outside the columns; ConfigError for
/// a weight below 0 or NaN.
/// Source: De Nadai et al. 2024, eq. 5 (arXiv 2403.05185).
template <HostScalar T>
RELWEAVE_API double dot_product(HostContext const& ctx, In<MatrixView<T const>> scores,
                                In<VectorView<NodeId const>> target,
                                In<VectorView<Compute<T> const>> weights, MatrixView<T> grad);

/// dot_product on a device, the loss to `loss` (1), with weights in float whatever T is. Targets
/// and weights may come from a kernel: they are trusted, not checked.
/// Numerics:    products in float, sums in double; gradients rounded once.
/// Cost:        three launches; each score read and each gradient written once. Workspace: 8 bytes
///              per row, and 256.
/// Determinism: run_to_run, and the same for any number of multiprocessors: sums in a fixed order.
/// Throws:      ShapeError as on the host; ConfigError when the workspace is too small; also
///              NotCompiledError, DeviceError, CudaError.
template <DeviceScalar T>
RELWEAVE_API void dot_product(CudaContext const& ctx, In<MatrixView<T const, Space::device>> scores,
                              In<VectorView<NodeId const, Space::device>> target,
                              In<VectorView<float const, Space::device>> weights,
                              MatrixView<T, Space::device> grad,
                              VectorView<double, Space::device> loss);

}  // namespace relweave::loss
