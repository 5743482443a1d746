#pragma once

#include <cstdint>

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::ops {

/// The k best columns of each row, best first; ties go to the lower column. A score of -infinity
/// (and NaN) is never taken: missing places hold index -1 and score -infinity.
/// scores (m, n); indices and values (m, k).
template <Scalar T>
RELWEAVE_API void top_k(HostContext const& ctx, In<MatrixView<T const>> scores,
                        MatrixView<NodeId> indices, MatrixView<T> values);

/// Merges a block of further columns, numbered from first_column on, into the k best so far, so
/// that a catalogue is ranked block by block. Start with top_k of the first block.
template <Scalar T>
RELWEAVE_API void top_k_merge(HostContext const& ctx, In<MatrixView<T const>> scores,
                              NodeId first_column, MatrixView<NodeId> indices,
                              MatrixView<T> values);

}  // namespace relweave::ops
