#pragma once

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::ops {

/// Copy rows of a table: out[i] = x[indices[i]].
/// Shapes:      x (n, d); indices (m), values in [0, n), repeats allowed; out (m, d).
/// Numerics:    exact copies, NaN included.
/// Aliasing:    out may not overlap x.
/// Cost:        2 m d sizeof(T) bytes, and the indices twice. No workspace.
/// Determinism: any_thread_count: no arithmetic.
/// Throws:      ShapeError when out is not (m, d); IndexError when an index is outside [0, n).
/// Source:      none beyond the formula.
template <Scalar T>
RELWEAVE_API void gather_rows(HostContext const& ctx, In<MatrixView<T const>> x,
                              In<VectorView<NodeId const>> indices, MatrixView<T> out);

/// Add rows into a table: out[indices[i]] += x[i], in the order of i for each row of out. The
/// adjoint of gather_rows.
/// Shapes:      x (m, d); indices (m), values in [0, n), repeats allowed; out (n, d).
/// Numerics:    sums in T, starting from what `out` holds. NaN reaches its own row of out alone;
///              rows without an index are left as they are, bit by bit.
/// Aliasing:    out may not overlap x.
/// Cost:        m d additions, 3 m d sizeof(T) bytes at most; a counting sort of the indices,
///              so that each row of x is read once, whole. Workspace: 8 (m + min(m, n)) bytes.
/// Determinism: any_thread_count: tasks own rows of out.
/// Throws:      ShapeError when x is not (m, d); IndexError when an index is outside [0, n).
/// Source:      none beyond the formula.
template <Scalar T>
RELWEAVE_API void scatter_rows(HostContext const& ctx, In<MatrixView<T const>> x,
                               In<VectorView<NodeId const>> indices, MatrixView<T> out);

}  // namespace relweave::ops
