#include "tower_batches.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <relweave/core/profile.hpp>
#include <relweave/core/random.hpp>

namespace relweave::model {

namespace {

/// order: where in the scores each positive lies, then each negative, row by row; places: its
/// inverse.
void order_scores(TowerBatch& out) {
  std::int64_t const m = std::ssize(out.target);
  std::int64_t const n = std::ssize(out.items);
  out.order.resize(static_cast<std::size_t>(m * n));
  out.places.resize(out.order.size());
  std::int64_t next_negative = m;
  for (std::int64_t b = 0; b < m; ++b) {
    for (std::int64_t c = 0; c < n; ++c) {
      bool const target = out.target[static_cast<std::size_t>(b)] == c;
      std::int64_t const to = target ? b : next_negative++;
      out.order[static_cast<std::size_t>(to)] = static_cast<NodeId>(b * n + c);
      out.places[static_cast<std::size_t>(b * n + c)] = static_cast<NodeId>(to);
    }
  }
}

}  // namespace

std::int64_t earlier(std::int64_t time, std::int64_t seconds) {
  constexpr std::int64_t first = std::numeric_limits<std::int64_t>::min();
  return time >= first + seconds ? time - seconds : first;
}

TowerBatcher::TowerBatcher(TwoTowerConfig const& config, graph::InteractionLogView const& log,
                           graph::ItemTypes const& types, MatrixView<float const> user_features)
    : config_(config),
      log_(log),
      types_(types),
      user_features_(user_features),
      user_begin_(static_cast<std::size_t>(log.user_count) + 1, 0),
      latest_(log.time.empty() ? 0 : *std::max_element(log.time.begin(), log.time.end())) {
  for (NodeId const user : log.user) {
    ++user_begin_[static_cast<std::size_t>(user) + 1];
  }
  std::partial_sum(user_begin_.begin(), user_begin_.end(), user_begin_.begin());
  std::vector<double> count(static_cast<std::size_t>(log.item_count), 0.0);
  for (std::int64_t e = 0; e < log.item.size; ++e) {
    if (log.strong.empty() || log.strong[e] != 0) {
      entries_.push_back(e);
      count[static_cast<std::size_t>(log.item[e])] += 1;
    }
  }
  double total = 0;
  for (double& c : count) {
    c = std::max(c, 1.0);  // an item without interactions may still be scored at serving
    total += c;
  }
  log_q_.reserve(count.size() + 1);
  for (double const c : count) {
    log_q_.push_back(static_cast<float>(std::log(c / total)));
  }
  log_q_.push_back(static_cast<float>(std::log(1 / total)));
}

TowerBatch TowerBatcher::blank() const {
  return {.histories =
              PooledHistory(types_, config_.max_history, config_.weak_weight, user_features_.cols)};
}

void TowerBatcher::make(std::span<std::int64_t const> chosen, std::int64_t step,
                        TowerBatch& out) const {
  ProfileScope const profile("make_histories");
  pool_histories(chosen, step, out);
  choose_columns(chosen, out);
  choose_vectors(step, out);
  if (config_.loss == TowerLoss::bpr) {
    order_scores(out);
  }
}

void TowerBatcher::pool_histories(std::span<std::int64_t const> chosen, std::int64_t step,
                                  TowerBatch& out) const {
  out.rows.clear();
  for (std::size_t b = 0; b < chosen.size(); ++b) {
    std::int64_t const e = chosen[b];
    auto const user = static_cast<std::size_t>(log_.user[e]);
    bool const causal = config_.history == HistoryMode::causal;
    HistoryRow row{.begin = user_begin_[user],
                   .end = causal ? e : user_begin_[user + 1],
                   .skip = log_.item[e],
                   .user = log_.user[e]};
    if (config_.window_seconds > 0) {
      row.since = earlier(causal ? log_.time[e] : latest_, config_.window_seconds);
    }
    RandomStream random(config_.seed, Purpose::history_dropout,
                        static_cast<std::uint64_t>(step * config_.batch) + b);
    row.hidden = random.uniform() < config_.hidden_history;
    out.rows.push_back(row);
  }
  out.histories.build({.items = log_.item, .strong = log_.strong}, log_.time, out.rows,
                      user_features_);
}

void TowerBatcher::choose_columns(std::span<std::int64_t const> chosen, TowerBatch& out) const {
  out.items.clear();
  out.position.clear(chosen.size());
  for (std::int64_t const e : chosen) {
    if (out.position.insert(log_.item[e])) {
      out.items.push_back(log_.item[e]);
    }
  }
  std::sort(out.items.begin(), out.items.end());
  out.log_q.clear();
  for (std::size_t c = 0; c < out.items.size(); ++c) {
    out.position[out.items[c]] = static_cast<NodeId>(c);
    out.log_q.push_back(log_q_[static_cast<std::size_t>(out.items[c])]);
  }
  out.count.assign(out.items.size(), 0.0F);
  out.target.clear();
  for (std::int64_t const e : chosen) {
    NodeId const column = out.position[log_.item[e]];
    out.target.push_back(column);
    out.count[static_cast<std::size_t>(column)] += 1;
  }
  out.weights.clear();
  for (std::size_t c = 0; config_.loss == TowerLoss::dot_product && c < out.items.size(); ++c) {
    out.weights.push_back(out.count[c] * std::exp(-out.log_q[c]));
  }
}

/// Gives some of the step's items the vectors of new ones: the item tower learns from the same
/// users' choices what to make of an item that nobody has touched.
void TowerBatcher::choose_vectors(std::int64_t step, TowerBatch& out) const {
  out.vector_rows = out.items;
  for (std::size_t i = 0; config_.cold_items > 0 && i < out.vector_rows.size(); ++i) {
    RandomStream random(config_.seed, Purpose::cold_items,
                        static_cast<std::uint64_t>(step * config_.batch) + i);
    if (random.uniform() < config_.cold_items) {
      out.vector_rows[i] = static_cast<NodeId>(out.vector_rows[i] + log_.item_count);
    }
  }
}

}  // namespace relweave::model
