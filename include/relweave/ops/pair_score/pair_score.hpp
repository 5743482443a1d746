#pragma once

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>
#include <relweave/ops/gather_rows/device_indices.hpp>

namespace relweave::ops {

/// Score pairs of rows by their inner product: out[p] = <a[a_rows[p]], b[b_rows[p]]>.
/// Shapes:      a (n_a, d); b (n_b, d); a_rows, b_rows (m), values in [0, n_a) and [0, n_b),
///              repeats allowed; out (m).
/// Numerics:    accumulates in Compute<T>, the scores' type, one sum per lane of a vector, in an
/// order that depends on
///              d and the instruction set alone. With d = 0 the score is 0. NaN reaches out.
/// Aliasing:    a and b may be the same matrix; out may not overlap them.
/// Cost:        2 m d operations; 2 m d sizeof(T) bytes gathered. No workspace.
/// Determinism: any_thread_count: each score is one sequence of sums.
/// Throws:      ShapeError when b, b_rows or out do not fit; IndexError when a row is out of range.
/// Source:      none beyond the formula: a product sampled at pairs (SDDMM).
template <HostScalar T>
RELWEAVE_API void pair_score(HostContext const& ctx, In<MatrixView<T const>> a,
                             In<VectorView<NodeId const>> a_rows, In<MatrixView<T const>> b,
                             In<VectorView<NodeId const>> b_rows, VectorView<Compute<T>> out);

/// Gradients of pair_score in both tables: grad_a[a_rows[p]] += grad_out[p] b[b_rows[p]] and
/// grad_b[b_rows[p]] += grad_out[p] a[a_rows[p]]. Adds to both.
/// Shapes:      as pair_score; grad_out (m); grad_a (n_a, d); grad_b (n_b, d).
/// Numerics:    sums in Compute<T>, in the order of p, starting from what the gradients hold;
///              bfloat16 rounds once per row of grad_a, then of grad_b. A pair whose grad_out is 0
///              adds nothing, NaN in its rows included.
/// Aliasing:    grad_a and grad_b may be the same matrix when a and b are; neither may overlap a,
///              b or grad_out.
/// Cost:        4 m d operations, 6 m d sizeof(T) bytes at most, less for pairs whose grad_out is
///              0; a counting sort of the pairs by either row. Workspace: 8 (m + min(m, n)) bytes
///              of the longer table.
/// Determinism: any_thread_count: tasks own rows of a gradient.
/// Throws:      as pair_score, and ShapeError when grad_out, grad_a or grad_b do not fit.
/// Source:      derived from the formula of pair_score.
template <HostScalar T>
RELWEAVE_API void pair_score_backward(HostContext const& ctx, In<MatrixView<T const>> a,
                                      In<VectorView<NodeId const>> a_rows,
                                      In<MatrixView<T const>> b,
                                      In<VectorView<NodeId const>> b_rows,
                                      In<VectorView<Compute<T> const>> grad_out,
                                      MatrixView<T> grad_a, MatrixView<T> grad_b);

/// pair_score on a device: scores in float whatever T is. The rows of pairs may come from a kernel:
/// they are trusted, not checked. One launch.
/// Determinism: run_to_run, and the same for any number of multiprocessors.
/// Throws:      ShapeError as on the host; also NotCompiledError, DeviceError, CudaError.
template <DeviceScalar T>
RELWEAVE_API void pair_score(CudaContext const& ctx, In<MatrixView<T const, Space::device>> a,
                             In<VectorView<NodeId const, Space::device>> a_rows,
                             In<MatrixView<T const, Space::device>> b,
                             In<VectorView<NodeId const, Space::device>> b_rows,
                             VectorView<float, Space::device> out);

/// pair_score_backward on a device: for each row that a pair names, a gather over the inverse, with
/// sums in float, rounded once; grad_a first, then grad_b. A launch each, two with hubs.
/// Cost:        4 m d operations; 2 m d sizeof(T) bytes read, less for pairs whose grad_out is 0,
///              and each named row of the gradients read and written once. Workspace:
///              max(a_rows.workspace(d), b_rows.workspace(d)).
/// Determinism: run_to_run, and the same for any number of multiprocessors: no atomics.
/// Throws:      ShapeError as on the host and when the rows are of a table of another length;
///              ConfigError when the workspace is too small; also NotCompiledError, DeviceError,
///              CudaError.
template <DeviceScalar T>
RELWEAVE_API void pair_score_backward(
    CudaContext const& ctx, In<MatrixView<T const, Space::device>> a, DeviceIndices const& a_rows,
    In<MatrixView<T const, Space::device>> b, DeviceIndices const& b_rows,
    In<VectorView<float const, Space::device>> grad_out, MatrixView<T, Space::device> grad_a,
    MatrixView<T, Space::device> grad_b);

}  // namespace relweave::ops
