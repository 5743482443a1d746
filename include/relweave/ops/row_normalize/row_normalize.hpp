#pragma once

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::ops {

/// Divide each row by its L2 norm: out[i] = x[i] / ||x[i]||_2.
/// Shapes:      x, out (m, d); norms (m), or empty when nobody asks for them.
/// Numerics:    accumulates in C = Compute<T>, the type of the norms, rounded once into bfloat16. A
///              zero row stays zero, with norm 0. Finite rows of any scale become unit rows: where
///              the sum of squares leaves C's range, the row is divided by its largest element
///              first; a norm beyond that range is infinity. NaN makes its row
///              NaN. A row with an infinity has norm infinity, NaN there, and 0 elsewhere.
/// Aliasing:    out may be x.
/// Cost:        3 m d operations; x is read twice, from the cache the second time: 2 m d sizeof(T)
///              bytes. No workspace.
/// Determinism: any_thread_count: each row is one sequence of sums.
/// Throws:      ShapeError when out or norms do not fit.
/// Source:      Blue 1978, A Portable Fortran Program to Find the Euclidean Norm of a Vector
///              (doi:10.1145/355769.355771); one scale, taken on overflow and underflow alone,
///              instead of three sums.
template <HostScalar T>
RELWEAVE_API void row_normalize(HostContext const& ctx, In<MatrixView<T const>> x,
                                MatrixView<T> out, In<VectorView<Compute<T>>> norms = {});

/// Gradient of row_normalize in x, with g = grad_out:
/// grad_x[i] = (g[i] - <g[i], out[i]> out[i]) / norms[i]. Overwrites grad_x.
/// Shapes:      out, grad_out, grad_x (m, d), norms (m); `out` and `norms` those of the forward
///              pass.
/// Numerics:    accumulates in C. A row of norm 0 gives no gradient, whatever grad_out holds; a
///              finite row whose norm is beyond C's range gives 0 for a finite grad_out. Otherwise
///              a NaN in a row of out or grad_out fills that of grad_x.
/// Aliasing:    grad_x may be grad_out or out.
/// Cost:        5 m d operations, 3 m d sizeof(T) bytes. No workspace.
/// Determinism: any_thread_count, as the forward pass.
/// Throws:      ShapeError when norms, grad_out or grad_x do not fit.
/// Source:      derived from the formula of row_normalize.
template <HostScalar T>
RELWEAVE_API void row_normalize_backward(HostContext const& ctx, In<MatrixView<T const>> out,
                                         In<VectorView<Compute<T> const>> norms,
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
