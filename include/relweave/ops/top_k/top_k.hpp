#pragma once

#include <algorithm>
#include <cstdint>

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/cuda.hpp>
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
