#pragma once

#include <algorithm>
#include <cstdint>

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/cuda.hpp>
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
template <HostScalar T>
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
template <HostScalar T>
RELWEAVE_API void top_k_merge(HostContext const& ctx, In<MatrixView<T const>> scores,
                              NodeId first_column, MatrixView<NodeId> indices,
                              MatrixView<T> values);

/// The largest k on a device.
inline constexpr std::int64_t top_k_device_limit = 2048;

namespace detail {

/// Parts that the columns of a row are cut into on a device, so that few rows keep it busy, too.
inline std::int64_t top_k_parts(std::int64_t rows, std::int64_t columns, std::int64_t k) {
  constexpr std::int64_t busy_blocks = 1024;  // eight per multiprocessor of the largest devices
  constexpr std::int64_t smallest_part = 1 << 14;  // less does not pay for a second pass
  std::int64_t const part = std::max(smallest_part, 16 * k);
  std::int64_t const most = std::max<std::int64_t>(columns / part, 1);
  return std::clamp<std::int64_t>(busy_blocks / std::max<std::int64_t>(rows, 1), 1, most);
}

}  // namespace detail

/// Bytes of workspace that top_k and top_k_merge take on a device.
inline std::int64_t top_k_workspace(std::int64_t rows, std::int64_t columns, std::int64_t k) {
  std::int64_t const parts = detail::top_k_parts(rows, columns, k);
  return parts > 1 ? (rows * parts * k * 8 + 255) / 256 * 256 : 0;
}

/// top_k on a device, for k up to top_k_device_limit. A score of -0 comes out as 0.
/// Cost:        one launch, two for few rows with many columns; each score is read once. Scores
///              that rise along a row cost a sort for every thousand of them. Workspace:
///              top_k_workspace(m, n, k).
/// Determinism: the places are determined, whatever the device.
/// Throws:      as on the host; ConfigError for a larger k, and when the workspace is too small;
///              also NotCompiledError, DeviceError, CudaError.
template <DeviceScalar T>
RELWEAVE_API void top_k(CudaContext const& ctx, In<MatrixView<T const, Space::device>> scores,
                        MatrixView<NodeId, Space::device> indices,
                        MatrixView<T, Space::device> values);

/// top_k_merge on a device, likewise. indices and values are as top_k or top_k_merge left them:
/// this is trusted, not checked.
template <DeviceScalar T>
RELWEAVE_API void top_k_merge(CudaContext const& ctx, In<MatrixView<T const, Space::device>> scores,
                              NodeId first_column, MatrixView<NodeId, Space::device> indices,
                              MatrixView<T, Space::device> values);

}  // namespace relweave::ops
