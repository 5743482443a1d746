#pragma once

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::loss {

struct MarginParams {
  double margin = 0.3;
};

/// Mean over examples b and negatives n of max(0, negative[b, n] - positive[b] + margin), and its
/// gradients. positive, grad_positive (B); negative, grad_negative (B, N). Outputs may be inputs.
/// Numerics: in double, gradients rounded once. A score that is NaN makes the loss NaN.
/// Determinism: any_thread_count.
/// Throws: ConfigError for a margin that is not finite; ShapeError, for no example or no negative
/// too. Source: De Nadai et al. 2024, eq. 4 (arXiv 2403.05185).
template <HostScalar T>
RELWEAVE_API double margin(HostContext const& ctx, In<VectorView<T const>> positive,
                           In<MatrixView<T const>> negative, MarginParams const& params,
                           VectorView<T> grad_positive, MatrixView<T> grad_negative);

/// margin on a device, the loss to `loss` (1).
/// Numerics:    differences and slopes in float, their sums in double; gradients rounded once.
/// Cost:        two launches; each score read and each gradient written once. Workspace: 8 bytes
///              per example.
/// Determinism: run_to_run, and the same for any number of multiprocessors: sums in a fixed order.
/// Throws:      as on the host; ConfigError when the workspace is too small; also NotCompiledError,
///              DeviceError, CudaError.
template <DeviceScalar T>
RELWEAVE_API void margin(CudaContext const& ctx, In<VectorView<T const, Space::device>> positive,
                         In<MatrixView<T const, Space::device>> negative,
                         MarginParams const& params, VectorView<T, Space::device> grad_positive,
                         MatrixView<T, Space::device> grad_negative,
                         VectorView<double, Space::device> loss);

}  // namespace relweave::loss
