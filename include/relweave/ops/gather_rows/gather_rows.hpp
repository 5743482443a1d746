#pragma once

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::ops {

/// out[i] = x[indices[i]].
template <Scalar T>
RELWEAVE_API void gather_rows(HostContext const& ctx, In<MatrixView<T const>> x,
                              In<VectorView<NodeId const>> indices, MatrixView<T> out);

/// out[indices[i]] += x[i], in the order of i for each row of out: the adjoint of gather_rows.
template <Scalar T>
RELWEAVE_API void scatter_rows(HostContext const& ctx, In<MatrixView<T const>> x,
                               In<VectorView<NodeId const>> indices, MatrixView<T> out);

}  // namespace relweave::ops
