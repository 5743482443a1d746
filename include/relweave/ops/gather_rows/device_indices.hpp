#pragma once

#include <cstdint>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::ops {

/// For every row that a list of indices names, the positions that name it: list l holds those of
/// row rows[l], positions[offsets[l] .. offsets[l + 1]), ascending. The first lists are the hubs,
/// whose sums are shared out in chunks.
struct DeviceInverse {
  VectorView<NodeId const, Space::device> rows;               // (lists), longest first
  VectorView<std::int32_t const, Space::device> offsets;      // (lists + 1)
  VectorView<std::int32_t const, Space::device> positions;    // (size of the list of indices)
  VectorView<std::int32_t const, Space::device> first_chunk;  // (hubs + 1)
  std::int32_t chunks = 0;
  std::int32_t hub_chunk = 0;
};

struct DeviceIndicesOptions {
  /// Positions that one group of lanes adds up on its own; rows named more often are hubs, cut into
  /// chunks of `hub_chunk`.
  std::int64_t hub_size = 1024;
  std::int64_t hub_chunk = 512;
};

/// A list of indices of rows on the device, validated on the way, with its inverse: what a gather
/// needs, and its gradient, which so is a gather, too, without atomics. Kernels trust it: what it
/// holds cannot be changed, only replaced.
class RELWEAVE_API DeviceIndices {
 public:
  DeviceIndices() = default;
  DeviceIndices(CudaContext const& ctx, VectorView<NodeId const> indices, std::int64_t rows,
                DeviceIndicesOptions const& options = {}) {
    upload(ctx, indices, rows, options);
  }

  /// Replaces the contents, on the context's stream, by `indices` in [0, rows); allocates only to
  /// grow, so that a training loop comes to rest. `indices` may change when this returns. Takes
  /// time and memory of the device in proportion to the indices, not to `rows`.
  /// Throws IndexError when an index is outside, ShapeError for 2^31 indices or more, ConfigError
  /// for options out of range, CudaError when the device has no room.
  void upload(CudaContext const& ctx, VectorView<NodeId const> indices, std::int64_t rows,
              DeviceIndicesOptions const& options = {});

  /// The list itself, in its own order.
  VectorView<NodeId const, Space::device> view() const { return indices_; }
  DeviceInverse const& inverse() const { return inverse_; }
  std::int64_t size() const { return indices_.size; }
  /// Of the table that the indices are for.
  std::int64_t rows() const { return rows_; }

  /// Bytes of workspace that one op takes to add up rows of d features over the inverse.
  std::int64_t workspace(std::int64_t d) const;

 private:
  struct List {
    NodeId row;
    std::int32_t size;
  };

  /// The rows that `indices` name, in the order in which they come, and in `list_of_position` which
  /// of them each position names.
  std::vector<List> find_lists(VectorView<NodeId const> indices,
                               VectorView<std::int32_t> list_of_position);

  std::int64_t rows_ = 0;
  VectorView<NodeId const, Space::device> indices_;
  DeviceInverse inverse_;

  Buffer<std::int32_t, Space::device> data_;  // all of the above
  Buffer<std::int32_t> host_data_;
  StagedUpload staged_;
  std::vector<std::int32_t> list_of_row_;  // -1 between calls
};

}  // namespace relweave::ops
