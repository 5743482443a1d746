#pragma once

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>
#include <relweave/ops/gather_rows/device_indices.hpp>

namespace relweave::ops {

/// out[p] = <a[a_rows[p]], b[b_rows[p]]>.
template <Scalar T>
RELWEAVE_API void pair_score(HostContext const& ctx, In<MatrixView<T const>> a,
                             In<VectorView<NodeId const>> a_rows, In<MatrixView<T const>> b,
                             In<VectorView<NodeId const>> b_rows, VectorView<T> out);

/// grad_a[a_rows[p]] += grad_out[p] b[b_rows[p]], grad_b[b_rows[p]] += grad_out[p] a[a_rows[p]],
/// in the order of p. grad_a and grad_b may be the same matrix when a and b are.
template <Scalar T>
RELWEAVE_API void pair_score_backward(HostContext const& ctx, In<MatrixView<T const>> a,
                                      In<VectorView<NodeId const>> a_rows,
                                      In<MatrixView<T const>> b,
                                      In<VectorView<NodeId const>> b_rows,
                                      In<VectorView<T const>> grad_out, MatrixView<T> grad_a,
                                      MatrixView<T> grad_b);

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
