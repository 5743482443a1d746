#pragma once

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::loss {

/// Mean over examples b and negatives n of log(1 + exp(negative[b, n] - positive[b])), and its
/// gradients. positive, grad_positive (B); negative, grad_negative (B, N). Outputs may be inputs.
/// Numerics: differences, their logarithms and slopes in T (float for bfloat16, gradients rounded
/// once), sums in double. A score that is NaN makes the loss NaN. Determinism: any_thread_count.
/// Throws: ShapeError, for no example or no negative too.
/// Source: Rendle et al. 2009, BPR, section 4.1 (arXiv 1205.2618), without its regulariser.
template <HostScalar T>
RELWEAVE_API double bpr(HostContext const& ctx, In<VectorView<T const>> positive,
                        In<MatrixView<T const>> negative, VectorView<T> grad_positive,
                        MatrixView<T> grad_negative);

/// bpr on a device, the loss to `loss` (1).
/// Numerics:    differences, their logarithms and slopes in float, sums in double; gradients
///              rounded once.
/// Cost:        two launches; each score read and each gradient written once. Workspace: 8 bytes
///              per example.
/// Determinism: run_to_run, and the same for any number of multiprocessors: sums in a fixed order.
/// Throws:      as on the host; ConfigError when the workspace is too small; also NotCompiledError,
///              DeviceError, CudaError.
template <DeviceScalar T>
RELWEAVE_API void bpr(CudaContext const& ctx, In<VectorView<T const, Space::device>> positive,
                      In<MatrixView<T const, Space::device>> negative,
                      VectorView<T, Space::device> grad_positive,
                      MatrixView<T, Space::device> grad_negative,
                      VectorView<double, Space::device> loss);

}  // namespace relweave::loss
