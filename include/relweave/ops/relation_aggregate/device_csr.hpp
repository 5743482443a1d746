#pragma once

#include <cstdint>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/core/types.hpp>
#include <relweave/graph/csr.hpp>

namespace relweave::ops {

/// In which order kernels take rows, and how they share long ones: rows with more than
/// `hub_degree` edges, the hubs, are cut into chunks of `hub_chunk`.
struct DeviceWork {
  VectorView<NodeId const, Space::device> order;              // (n), longest first
  VectorView<std::int64_t const, Space::device> hubs;         // ascending
  VectorView<std::int32_t const, Space::device> first_chunk;  // (hubs + 1)
  std::int32_t chunks = 0;
};

/// The edges that leave every message row, in the order of their destinations: the transpose of a
/// RelationCsrView. Edge k goes to the `slots[k]`-th place of row (dst[k], relations[k]).
struct DeviceTranspose {
  VectorView<EdgeOffset const, Space::device> col_offsets;  // (message_rows + 1)
  VectorView<NodeId const, Space::device> dst;              // (n_edges)
  VectorView<std::int32_t const, Space::device> relations;  // (n_edges)
  VectorView<std::int32_t const, Space::device> slots;      // (n_edges)
  /// Where each edge of the csr lies in the transpose; empty without MaxBackward::win_mask.
  VectorView<EdgeOffset const, Space::device> positions;  // (n_edges)
};

/// How the gradient of a maximum finds the winners. Measured on an H100 with d = 128: win_mask is
/// faster where rows are long (51 edges per row: 20 against 34 ms in float, 18 against 22 ms in
/// bfloat16), compare_slots below some 15 edges per row (2.3 M edges: 0.54 against 0.58 ms; 40 M
/// edges, 9 per row: 9.9 against 10.3 ms).
enum class MaxBackward {
  compare_slots,  ///< every edge reads the slots of its row
  win_mask,       ///< a bit per edge and feature, written first: an edge reads what it won alone
};

struct DeviceCsrOptions {
  /// Edges that one group of lanes adds up on its own. Longest rows start first, so that a row just
  /// below still ends with the rest.
  std::int64_t hub_degree = 1024;
  std::int64_t hub_chunk = 512;
  bool transpose = true;  ///< for backward passes
  /// The mask takes d / 8 bytes of workspace and 8 of the csr per edge. It reads a fraction of the
  /// gradients where rows are long: of d features, an edge of a row of 50 wins one in 50.
  MaxBackward max_backward = MaxBackward::compare_slots;
};

/// A RelationCsrView on the device, validated on the way, with its transpose and the work lists of
/// the kernels. Kernels trust it: what it holds cannot be changed, only replaced.
class RELWEAVE_API DeviceCsr {
 public:
  DeviceCsr() = default;
  DeviceCsr(CudaContext const& ctx, RelationCsrView<> const& csr,
            DeviceCsrOptions const& options = {}) {
    upload(ctx, csr, options);
  }

  /// Replaces the contents, on the context's stream; allocates only to grow, so that a loop over
  /// sampled blocks comes to rest. `csr` may change when this returns. The context's host sorts the
  /// edges, with the same result for any number of threads.
  /// Throws ShapeError or IndexError when the csr is not valid, ConfigError for options out of
  /// range, CudaError when the device has no room.
  void upload(CudaContext const& ctx, RelationCsrView<> const& csr,
              DeviceCsrOptions const& options = {});

  RelationCsrView<Space::device> const& view() const { return view_; }
  DeviceTranspose const& transpose() const { return transpose_; }
  DeviceWork const& rows_work() const { return rows_work_; }          // hubs are rows of the csr
  DeviceWork const& messages_work() const { return messages_work_; }  // hubs are message rows
  DeviceCsrOptions const& options() const { return options_; }
  /// Of the longest row.
  EdgeOffset largest_degree() const { return largest_degree_; }
  /// A hash of sizes and contents; 0 when nothing was uploaded.
  std::uint64_t fingerprint() const { return fingerprint_; }

 private:
  struct Work {
    Buffer<NodeId, Space::device> order;
    Buffer<std::int64_t, Space::device> hubs;
    Buffer<std::int32_t, Space::device> first_chunk;
  };

  DeviceCsrOptions options_;
  RelationCsrView<Space::device> view_;
  DeviceTranspose transpose_;
  DeviceWork rows_work_, messages_work_;
  EdgeOffset largest_degree_ = 0;
  std::uint64_t fingerprint_ = 0;

  Buffer<EdgeOffset, Space::device> row_offsets_, col_offsets_, positions_;
  Buffer<NodeId, Space::device> cols_, dst_;
  Buffer<std::int32_t, Space::device> relations_, slots_;
  Work rows_, messages_;
  StagedUpload staged_;
};

}  // namespace relweave::ops
