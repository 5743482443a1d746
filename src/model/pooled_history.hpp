#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/graph/co_interaction.hpp>
#include <relweave/model/two_tower.hpp>
#include <relweave/ops/segment_mean/segment_mean.hpp>

#include "id_map.hpp"
#include "uploaded.hpp"

namespace relweave::model {

/// One history to pool: entries [begin, end) of the source, newest last.
struct HistoryRow {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  NodeId skip = -1;  ///< the training target: none of its occurrences is pooled
  std::int64_t since = std::numeric_limits<std::int64_t>::min();  ///< older entries are left out
  std::int64_t user = -1;  ///< row of the user features; -1: unknown, all zero
  bool hidden = false;     ///< pool nothing, as for a cold user
};

/// Turns histories into what the user tower's first layer reads: for every user and item type the
/// weighted mean of item vectors, as coefficients on the unique items in use, and beside the means
/// [has any (T), log(1 + total weight) (T), user features].
class PooledHistory {
 public:
  PooledHistory(graph::ItemTypes const& types, std::int32_t max_history, double weak_weight,
                std::int64_t user_feature_count);

  /// `time` belongs to the entries of `source`; it may be empty when no row sets `since`.
  void build(Histories const& source, VectorView<std::int64_t const> time,
             std::span<HistoryRow const> rows, MatrixView<float const> user_features);

  // Valid until the next build().
  VectorView<NodeId const> items() const { return {items_.data(), std::ssize(items_)}; }
  std::span<std::int64_t const> group_offsets() const { return group_offsets_; }
  ops::Segments<float> segments() const {
    return {.offsets = {offsets_.data(), std::ssize(offsets_)},
            .indices = {rows_.data(), std::ssize(rows_)},
            .weights = {weights_.data(), std::ssize(weights_)}};
  }
  MatrixView<float const> extra() const { return extra_.view(); }

  static std::int64_t extra_features(std::int64_t type_count, std::int64_t user_feature_count) {
    return 2 * type_count + user_feature_count;
  }

 private:
  void collect(Histories const& source, VectorView<std::int64_t const> time, HistoryRow const& row);
  std::size_t type_of(NodeId item) const;
  void compact();

  std::vector<std::int64_t> type_offsets_;
  std::int32_t max_history_;
  float weak_weight_;
  std::int64_t user_feature_count_;

  std::vector<std::int64_t> offsets_;
  std::vector<NodeId> rows_;
  std::vector<float> weights_;
  std::vector<float> totals_;  // per type, of the user being collected
  std::vector<NodeId> items_;  // unique, ascending, hence grouped by type
  IdMap positions_;            // item -> row in items_
  std::vector<std::int64_t> group_offsets_;
  Matrix<float> extra_;
};

/// A pooled history where the user tower reads it, with the vectors of its items.
template <Space S>
class PooledBatch {
 public:
  /// Valid until the next call, or the next build() of `history`.
  nn::PooledInput<float, S> gather(Context<S> const& ctx, PooledHistory const& history,
                                   MatrixView<float const, S> vectors);

 private:
  struct Nothing {};

  Uploaded<NodeId, S> items_;
  Uploaded<float, S> extra_;
  Matrix<float, S> table_;
  [[no_unique_address]] std::conditional_t<S == Space::device, ops::DeviceSegments, Nothing>
      segments_;
};

}  // namespace relweave::model
