#pragma once

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

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

}  // namespace relweave::ops
