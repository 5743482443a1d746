#pragma once

#include <algorithm>
#include <cstdint>

#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::ops {

/// Splits destinations into tasks of about the same work: an edge counts one, a destination
/// `destination_cost`. Depends on the sizes of the input alone, never on the number of threads.
class EdgePartition {
 public:
  /// Destination i has the edges of the rows [i * rows_each, (i + 1) * rows_each).
  /// `row_bytes` is what an edge reads.
  EdgePartition(VectorView<EdgeOffset const> row_offsets, std::int64_t destinations,
                std::int64_t rows_each, std::int64_t row_bytes)
      : offsets_(row_offsets.data),
        destinations_(destinations),
        rows_each_(rows_each),
        destination_cost_(2 + rows_each / 4),
        work_per_task_(
            std::max<std::int64_t>(16, task_bytes / std::max<std::int64_t>(row_bytes, 1))) {}

  std::int64_t tasks() const {
    return destinations_ == 0 ? 0 : (work_before(destinations_) - 1) / work_per_task_ + 1;
  }

  /// The first destination of a task; that of tasks() is the number of destinations.
  std::int64_t begin(std::int64_t task) const {
    std::int64_t first = 0;
    for (std::int64_t count = destinations_; count > 0;) {
      std::int64_t const half = count / 2;
      if (work_before(first + half) < task * work_per_task_) {
        first += half + 1;
        count -= half + 1;
      } else {
        count = half;
      }
    }
    return first;
  }

 private:
  // Some 50 us of gathering on one thread: far above what a task costs to start, and small enough
  // that threads end together.
  static constexpr std::int64_t task_bytes = 1 << 20;

  std::int64_t work_before(std::int64_t destination) const {
    EdgeOffset const edges = rows_each_ == 0 ? 0 : offsets_[destination * rows_each_] - offsets_[0];
    return edges + destination * destination_cost_;
  }

  EdgeOffset const* offsets_;
  std::int64_t destinations_;
  std::int64_t rows_each_;
  std::int64_t destination_cost_;
  std::int64_t work_per_task_;
};

}  // namespace relweave::ops
