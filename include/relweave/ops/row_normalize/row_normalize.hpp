#pragma once

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::ops {

/// out[i] = x[i] / ||x[i]||_2; a zero row stays zero. Writes the norms unless `norms` is empty.
/// out may be x.
template <Scalar T>
RELWEAVE_API void row_normalize(HostContext const& ctx, In<MatrixView<T const>> x,
                                MatrixView<T> out, In<VectorView<T>> norms = {});

/// grad_x from the output and the norms of the forward pass. grad_x may be grad_out.
template <Scalar T>
RELWEAVE_API void row_normalize_backward(HostContext const& ctx, In<MatrixView<T const>> out,
                                         In<VectorView<T const>> norms,
                                         In<MatrixView<T const>> grad_out, MatrixView<T> grad_x);

/// row_normalize on a device: sums in float, norms in float whatever T is. One launch.
/// Determinism: run_to_run, and the same for any number of multiprocessors.
/// Throws:      as on the host; also NotCompiledError, DeviceError, CudaError.
template <DeviceScalar T>
RELWEAVE_API void row_normalize(CudaContext const& ctx, In<MatrixView<T const, Space::device>> x,
                                MatrixView<T, Space::device> out,
                                In<VectorView<float, Space::device>> norms = {});

/// row_normalize_backward on a device, with the same aliasing: grad_x may be grad_out or out.
template <DeviceScalar T>
RELWEAVE_API void row_normalize_backward(CudaContext const& ctx,
                                         In<MatrixView<T const, Space::device>> out,
                                         In<VectorView<float const, Space::device>> norms,
                                         In<MatrixView<T const, Space::device>> grad_out,
                                         MatrixView<T, Space::device> grad_x);

}  // namespace relweave::ops
