#pragma once

#include <cstdint>

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::ops {

/// Find the k best columns of each row, best first: indices[i] and values[i] are the columns of the
/// k largest scores of row i, and those scores.
/// Shapes:      scores (m, n); indices, values (m, k), k at least 1 and above n if you like.
/// Numerics:    exact: values are scores, bit by bit. Equal scores go to the lower column; zeros of
///              both signs are equal. -infinity and NaN are never taken: places that nothing takes
///              hold index -1 and score -infinity.
/// Aliasing:    values may not overlap scores.
/// Cost:        m n comparisons, m n sizeof(T) bytes. A score that enters moves those behind it: in
///              random order about k (1 + ln(n / k)) of a row enter, in ascending order all n, at
///              up to k moves each. No workspace.
/// Determinism: any_thread_count: no arithmetic.
/// Throws:      ConfigError when k < 1; ShapeError when indices or values do not fit; IndexError
///              when n is above 2^31, so that a column is no NodeId.
/// Source:      none beyond the definition.
template <Scalar T>
RELWEAVE_API void top_k(HostContext const& ctx, In<MatrixView<T const>> scores,
                        MatrixView<NodeId> indices, MatrixView<T> values);

/// Merge a block of further columns into the k best so far, so that a catalogue is ranked block by
/// block: column c of scores has the number first_column + c.
/// Shapes:      as top_k. Start with top_k of the first block, or with -1 and -infinity everywhere.
/// Numerics:    as top_k; of equal scores those there before stay in front. So blocks in ascending
///              order give the bits of one top_k over all columns.
/// Aliasing:    as top_k.
/// Cost:        as top_k, less what the best so far keep out.
/// Determinism: any_thread_count: no arithmetic.
/// Throws:      as top_k; IndexError when first_column is negative or a column beyond the largest
///              NodeId.
/// Source:      none beyond the definition.
template <Scalar T>
RELWEAVE_API void top_k_merge(HostContext const& ctx, In<MatrixView<T const>> scores,
                              NodeId first_column, MatrixView<NodeId> indices,
                              MatrixView<T> values);

}  // namespace relweave::ops
