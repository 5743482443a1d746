#pragma once

#include <cstdint>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/retrieval/exact_index.hpp>

namespace relweave::retrieval {

/// A copy of an ExactIndex on a device. Items are scored block by block there, too; searching is
/// const, and safe from several threads on streams and workspaces of their own. cuBLAS chooses its
/// tiles by the number of queries: scores may differ from the host's, and between calls of other
/// sizes, in their last bits.
class RELWEAVE_API DeviceExactIndex {
 public:
  /// Copies what `index` holds now. Waits for the copy. Throws CudaError when the device has no
  /// room.
  DeviceExactIndex(CudaContext const& ctx, ExactIndex const& index);

  /// ExactIndex::search on the device, for k up to ops::top_k_device_limit: queries (q, d), indices
  /// and scores (q, k) are there, options on the host. Does not wait. Queries are trusted to be
  /// finite.
  /// Cost:   q n (d + 1) multiply-adds; each score is written and read once, in blocks of at most
  ///         128 MiB. Workspace: such a block, the filters, and that of ops::linear and ops::top_k.
  /// Throws: as on the host; ConfigError for a larger k or when the workspace is too small;
  ///         NotCompiledError, DeviceError, CudaError.
  void search(CudaContext const& ctx, MatrixView<float const, Space::device> queries,
              std::int64_t k, SearchOptions const& options,
              MatrixView<NodeId, Space::device> indices,
              MatrixView<float, Space::device> scores) const;

  /// Scores of all items, nothing left out: out (q, n).
  void scores(CudaContext const& ctx, MatrixView<float const, Space::device> queries,
              MatrixView<float, Space::device> out) const;

  std::int64_t size() const { return host_.size(); }
  std::int64_t dimension() const { return host_.dimension(); }

 private:
  ExactIndex host_;                          // types and bias, for filters; no vectors
  Matrix<float, Space::device> by_feature_;  // (dimension, items)
  Buffer<float, Space::device> bias_;
};

}  // namespace relweave::retrieval
