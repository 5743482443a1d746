#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <relweave/graph/co_interaction.hpp>
#include <relweave/model/two_tower.hpp>

#include "id_map.hpp"
#include "pooled_history.hpp"

namespace relweave::model {

/// What a step of the towers' training reads, as the host makes it. The unique target items of the
/// step are the columns of its score matrix.
struct TowerBatch {
  PooledHistory histories;  // of each interaction's user

  std::vector<NodeId> items;          // of the columns, ascending
  std::vector<NodeId> vector_rows;    // of the columns: row of the item vectors
  std::vector<NodeId> target;         // (batch) column of each row's positive
  std::vector<float> log_q, count;    // per column; how often the item is a target of the batch
  std::vector<float> weights;         // per column, for the dot product
  std::vector<NodeId> order, places;  // for BPR: scores, all positives first; the inverse

  std::vector<HistoryRow> rows;
  IdMap position;  // item -> column
};

/// Makes the batches of the towers' training.
class TowerBatcher {
 public:
  /// Kept by reference.
  TowerBatcher(TwoTowerConfig const& config, graph::InteractionLogView const& log,
               graph::ItemTypes const& types, MatrixView<float const> user_features);

  /// A batch to be filled.
  TowerBatch blank() const;

  /// Fills a batch for some entries of the log; a function of its arguments.
  void make(std::span<std::int64_t const> chosen, std::int64_t step, TowerBatch& out) const;

  /// What there is to learn from: positions of the strong interactions in the log.
  std::vector<std::int64_t> const& entries() const { return entries_; }
  /// (items + 1) log share of the strong interactions, counting at least one of each item; the last
  /// is an item without interactions.
  std::vector<float> const& log_q() const { return log_q_; }
  /// Time of the last interaction.
  std::int64_t latest() const { return latest_; }

 private:
  void pool_histories(std::span<std::int64_t const> chosen, std::int64_t step,
                      TowerBatch& out) const;
  void choose_columns(std::span<std::int64_t const> chosen, TowerBatch& out) const;
  void choose_vectors(std::int64_t step, TowerBatch& out) const;

  TwoTowerConfig const& config_;
  graph::InteractionLogView const& log_;
  graph::ItemTypes const& types_;
  MatrixView<float const> user_features_;
  std::vector<std::int64_t> user_begin_;  // of each user's entries in the log
  std::vector<std::int64_t> entries_;
  std::vector<float> log_q_;
  std::int64_t latest_;
};

/// `seconds` (not negative) before `time`, or the earliest time there is.
std::int64_t earlier(std::int64_t time, std::int64_t seconds);

}  // namespace relweave::model
