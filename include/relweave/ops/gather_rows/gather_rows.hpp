#pragma once

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>
#include <relweave/ops/gather_rows/device_indices.hpp>

namespace relweave::ops {

/// Copy rows of a table: out[i] = x[indices[i]].
/// Shapes:      x (n, d); indices (m), values in [0, n), repeats allowed; out (m, d).
/// Numerics:    exact copies, NaN included.
/// Aliasing:    out may not overlap x.
/// Cost:        2 m d sizeof(T) bytes, and the indices twice. No workspace.
/// Determinism: any_thread_count: no arithmetic.
/// Throws:      ShapeError when out is not (m, d); IndexError when an index is outside [0, n).
/// Source:      none beyond the formula.
template <HostScalar T>
RELWEAVE_API void gather_rows(HostContext const& ctx, In<MatrixView<T const>> x,
                              In<VectorView<NodeId const>> indices, MatrixView<T> out);

/// Add rows into a table: out[indices[i]] += x[i], in the order of i for each row of out. The
/// adjoint of gather_rows.
/// Shapes:      x (m, d); indices (m), values in [0, n), repeats allowed; out (n, d).
/// Numerics:    sums in Compute<T> from what `out` holds on, rounded once into bfloat16. NaN
///              reaches its own row of out alone; rows without an index stay as they are, bit by
///              bit.
/// Aliasing:    out may not overlap x.
/// Cost:        m d additions, 3 m d sizeof(T) bytes at most; a counting sort of the indices,
///              so that each row of x is read once, whole. Workspace: 8 (m + min(m, n)) bytes.
/// Determinism: any_thread_count: tasks own rows of out.
/// Throws:      ShapeError when x is not (m, d); IndexError when an index is outside [0, n).
/// Source:      none beyond the formula.
template <HostScalar T>
RELWEAVE_API void scatter_rows(HostContext const& ctx, In<MatrixView<T const>> x,
                               In<VectorView<NodeId const>> indices, MatrixView<T> out);

/// gather_rows on a device. The indices may come from a kernel: they are trusted, not checked. One
/// launch.
/// Determinism: run_to_run: no arithmetic.
/// Throws:      ShapeError as on the host; also NotCompiledError, DeviceError, CudaError.
template <DeviceScalar T>
RELWEAVE_API void gather_rows(CudaContext const& ctx, In<MatrixView<T const, Space::device>> x,
                              In<VectorView<NodeId const, Space::device>> indices,
                              MatrixView<T, Space::device> out);

/// scatter_rows on a device: for each row of out that the indices name, a gather over the inverse,
/// with sums in float, rounded once. Two launches with hubs, one without.
/// Cost:        m d additions, m d sizeof(T) bytes read, and each named row of out read and written
///              once. Workspace: indices.workspace(d).
/// Determinism: run_to_run, and the same for any number of multiprocessors: no atomics.
/// Throws:      ShapeError as on the host and when the indices are for a table of another length
///              than out; ConfigError when the workspace is too small; also NotCompiledError,
///              DeviceError, CudaError.
template <DeviceScalar T>
RELWEAVE_API void scatter_rows(CudaContext const& ctx, In<MatrixView<T const, Space::device>> x,
                               DeviceIndices const& indices, MatrixView<T, Space::device> out);

}  // namespace relweave::ops
