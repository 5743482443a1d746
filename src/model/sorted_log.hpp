#pragma once

#include <relweave/core/buffer.hpp>
#include <relweave/graph/co_interaction.hpp>
#include <relweave/model/two_tower.hpp>

namespace relweave::model {

/// A copy of a log sorted by user, then time, then item, and where each user's rows begin.
class SortedLog {
 public:
  SortedLog() = default;
  /// Throws ShapeError or IndexError for columns of different length or ids out of range, and
  /// ConfigError for an empty log.
  explicit SortedLog(graph::InteractionLogView const& log);
  /// Rows already sorted, as read from a checkpoint. Throws ShapeError or IndexError likewise.
  SortedLog(Buffer<std::int64_t> offsets, Buffer<NodeId> items, Buffer<std::int64_t> times,
            Buffer<std::uint8_t> strong, std::int64_t item_count);

  graph::InteractionLogView view() const;
  Histories histories() const;
  std::int64_t user_count() const { return offsets_.size() - 1; }
  VectorView<std::int64_t const> times() const { return times_.view(); }

 private:
  void fill_users();

  Buffer<std::int64_t> offsets_;
  Buffer<NodeId> users_;
  Buffer<NodeId> items_;
  Buffer<std::int64_t> times_;
  Buffer<std::uint8_t> strong_;
  std::int64_t item_count_ = 0;
};

}  // namespace relweave::model
