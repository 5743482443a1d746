#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/core/random.hpp>
#include <relweave/loss/bpr.hpp>
#include <relweave/loss/dot_product.hpp>
#include <relweave/loss/sampled_softmax.hpp>
#include <relweave/model/two_tower.hpp>
#include <relweave/ops/gather_rows/gather_rows.hpp>
#include <relweave/ops/linear/linear.hpp>
#include <relweave/optim/schedule.hpp>

#include "id_map.hpp"
#include "input_checks.hpp"
#include "item_tower_input.hpp"
#include "pooled_history.hpp"
#include "training_loop.hpp"
#include "two_tower_checks.hpp"
#include "uploaded.hpp"

namespace relweave::model {

namespace {

constexpr std::string_view here = "TwoTower.fit";

/// The strong interactions, what each item is worth as a negative, and the batches over them.
struct Examples {
  std::vector<std::int64_t> entries;  // positions in the log
  std::vector<float> log_q;  // (items + 1) log share of the strong interactions, counting at least
                             // one of each item; the last is an item without interactions

  explicit Examples(graph::InteractionLogView const& log) {
    std::vector<double> count(static_cast<std::size_t>(log.item_count), 0.0);
    for (std::int64_t e = 0; e < log.item.size; ++e) {
      if (log.strong.empty() || log.strong[e] != 0) {
        entries.push_back(e);
        count[static_cast<std::size_t>(log.item[e])] += 1;
      }
    }
    double total = 0;
    for (double& c : count) {
      c = std::max(c, 1.0);  // an item without interactions may still be scored at serving
      total += c;
    }
    log_q.reserve(count.size());
    for (double const c : count) {
      log_q.push_back(static_cast<float>(std::log(c / total)));
    }
    log_q.push_back(static_cast<float>(std::log(1 / total)));
  }
};

/// The unique target items of a batch as columns of its score matrix.
struct Columns {
  std::vector<NodeId> items;   // ascending
  std::vector<NodeId> target;  // (batch) column of each row's positive
  std::vector<float> log_q;
  std::vector<float> count;  // how often the item is a target of the batch
  IdMap position;

  void build(graph::InteractionLogView const& log, std::span<std::int64_t const> batch,
             std::vector<float> const& all_log_q) {
    items.clear();
    position.clear(batch.size());
    for (std::int64_t const e : batch) {
      if (position.insert(log.item[e])) {
        items.push_back(log.item[e]);
      }
    }
    std::sort(items.begin(), items.end());
    log_q.clear();
    for (std::size_t c = 0; c < items.size(); ++c) {
      position[items[c]] = static_cast<NodeId>(c);
      log_q.push_back(all_log_q[static_cast<std::size_t>(items[c])]);
    }
    count.assign(items.size(), 0.0F);
    target.clear();
    for (std::int64_t const e : batch) {
      NodeId const column = position[log.item[e]];
      target.push_back(column);
      count[static_cast<std::size_t>(column)] += 1;
    }
  }
};

/// `seconds` (not negative) before `time`, or the earliest time there is.
std::int64_t earlier(std::int64_t time, std::int64_t seconds) {
  constexpr std::int64_t first = std::numeric_limits<std::int64_t>::min();
  return time >= first + seconds ? time - seconds : first;
}

std::vector<NodeTypeId> item_types(graph::ItemTypes const& types) {
  std::vector<NodeTypeId> result;
  for (std::size_t t = 0; t < types.names.size(); ++t) {
    result.insert(result.end(), static_cast<std::size_t>(types.offsets[t + 1] - types.offsets[t]),
                  static_cast<NodeTypeId>(t));
  }
  return result;
}

template <Space S>
class Trainer {
 public:
  Trainer(Context<S> const& ctx, TwoTowerConfig const& config, TowerNetwork const& network,
          nn::ParameterSet<float>& parameters, graph::InteractionLogView const& log,
          graph::ItemTypes const& types, ItemInputsIn<S> const& items,
          MatrixView<float const> user_features)
      : own_(ctx),
        ctx_(own_.ctx()),
        config_(config),
        network_(network),
        trained_(ctx_, parameters),
        log_(log),
        items_(items),
        user_features_(user_features),
        examples_(log),
        types_(item_types(types)),
        pooled_(types, config.max_history, config.weak_weight, user_features.cols),
        item_input_(ctx_, std::ssize(types.names)) {
    user_begin_.assign(static_cast<std::size_t>(log.user_count) + 1, 0);
    for (std::int64_t e = 0; e < log.user.size; ++e) {
      ++user_begin_[static_cast<std::size_t>(log.user[e]) + 1];
    }
    std::partial_sum(user_begin_.begin(), user_begin_.end(), user_begin_.begin());
    vectors_ = items.vectors;
    if (config.cold_items > 0) {
      [[maybe_unused]] auto const guard = make_current(ctx_);
      std::int64_t const n = items.vectors.rows;
      with_cold_ = Matrix<float, S>(2 * n, items.vectors.cols);
      copy(ctx_, items.vectors, with_cold_.view().row_slice(0, n));
      copy(ctx_, items.cold_vectors, with_cold_.view().row_slice(n, n));
      vectors_ = with_cold_.view();
    }
    latest_ = log.time.empty() ? 0 : *std::max_element(log.time.begin(), log.time.end());
  }

  Examples const& examples() const { return examples_; }
  std::int64_t latest() const { return latest_; }

  TrainingHistory run(ProgressCallback const& progress) {
    TrainingHistory history;
    auto const n = std::ssize(examples_.entries);
    std::int64_t const steps = (n + config_.batch - 1) / config_.batch;
    optim::CosineSchedule const cosine{.base = config_.learning_rate,
                                       .steps = steps * config_.epochs};
    for (std::int64_t epoch = 0; epoch < config_.epochs && !history.interrupted; ++epoch) {
      auto const start = std::chrono::steady_clock::now();
      auto order = examples_.entries;
      RandomStream(config_.seed, Purpose::shuffle, static_cast<std::uint64_t>(epoch))
          .shuffle(order.begin(), order.end());
      meter_.clear();
      std::int64_t seen = 0;
      for (std::int64_t step = 0; step < steps && !history.interrupted; ++step) {
        auto const batch = std::span<std::int64_t const>(order).subspan(
            static_cast<std::size_t>(step * config_.batch),
            static_cast<std::size_t>(std::min(config_.batch, n - step * config_.batch)));
        std::int64_t const global = epoch * steps + step;
        double const rate = config_.schedule == LearningRateSchedule::cosine
                                ? cosine(global)
                                : config_.learning_rate;
        train_step(batch, global, rate);
        seen += std::ssize(batch);
        if (progress && !progress({.stage = "towers",
                                   .epoch = epoch,
                                   .epochs = config_.epochs,
                                   .step = step + 1,
                                   .steps = steps,
                                   .loss = meter_.mean()})) {
          history.interrupted = true;
        }
      }
      meter_.finish();
      std::chrono::duration<double> const took = std::chrono::steady_clock::now() - start;
      history.epochs.push_back({.loss = meter_.mean(), .seconds = took.count(), .examples = seen});
    }
    trained_.read(ctx_);
    history.best_epoch = std::ssize(history.epochs) - 1;
    return history;
  }

 private:
  void train_step(std::span<std::int64_t const> batch, std::int64_t step, double rate) {
    pool_histories(batch, step);
    columns_.build(log_, batch, examples_.log_q);
    choose_vectors(step);
    auto const m = std::ssize(batch);
    auto const n = std::ssize(columns_.items);
    auto const d = config_.layers.back();

    [[maybe_unused]] auto const guard = make_current(ctx_);
    auto& parameters = trained_.parameters();
    auto const item_x =
        item_input_.gather(ctx_, items_.features, vectors_, view_of(types_),
                           {.features = view_of(columns_.items), .vectors = view_of(vector_rows_)});
    nn::PooledInput<float, S> const histories = batch_.gather(ctx_, pooled_, items_.vectors);
    network_.forward_users(ctx_, parameters, histories, users_);
    network_.forward_items(ctx_, parameters, item_x, targets_);

    scores_.reset(m, n);
    ops::matmul<float>(ctx_, users_.unit.view(), targets_.unit.view(), {.b = ops::Transpose::yes},
                       scores_.view());
    score_loss();

    grad_users_.reset(m, d);
    grad_items_.reset(n, d);
    ops::matmul<float>(ctx_, scores_.view(), targets_.unit.view(), {}, grad_users_.view());
    ops::matmul<float>(ctx_, scores_.view(), users_.unit.view(), {.a = ops::Transpose::yes},
                       grad_items_.view());
    set_zero<float, S>(ctx_, parameters.gradients());
    network_.backward_users(ctx_, parameters, histories, users_, grad_users_.view());
    network_.backward_items(ctx_, parameters, item_x, targets_, grad_items_.view());
    trained_.step(ctx_, rate);
  }

  /// Gives some of the step's items the vectors of new ones: the item tower learns from the same
  /// users' choices what to make of an item that nobody has touched.
  void choose_vectors(std::int64_t step) {
    vector_rows_ = columns_.items;
    for (std::size_t i = 0; config_.cold_items > 0 && i < vector_rows_.size(); ++i) {
      RandomStream random(config_.seed, Purpose::cold_items,
                          static_cast<std::uint64_t>(step * config_.batch) + i);
      if (random.uniform() < config_.cold_items) {
        vector_rows_[i] = static_cast<NodeId>(vector_rows_[i] + items_.vectors.rows);
      }
    }
  }

  void pool_histories(std::span<std::int64_t const> batch, std::int64_t step) {
    rows_.clear();
    for (std::size_t b = 0; b < batch.size(); ++b) {
      std::int64_t const e = batch[b];
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
      rows_.push_back(row);
    }
    pooled_.build({.items = log_.item, .strong = log_.strong}, log_.time, rows_, user_features_);
  }

  /// Replaces scores_ by the gradient of the loss.
  void score_loss() {
    auto const scores = scores_.view();
    auto const weight = static_cast<double>(scores.rows);
    target_.set(ctx_, view_of(columns_.target));
    switch (config_.loss) {
      case TowerLoss::sampled_softmax:
        log_q_.set(ctx_, view_of(columns_.log_q));
        count_.set(ctx_, view_of(columns_.count));
        meter_.add(ctx_, weight, [&](auto... loss) {
          return loss::sampled_softmax<float>(
              ctx_, scores,
              loss::CandidatesOf<float, S>{
                  .target = target_.view(), .log_q = log_q_.view(), .count = count_.view()},
              {.temperature = config_.temperature, .correction = config_.correction}, {}, scores,
              loss...);
        });
        return;
      case TowerLoss::dot_product:
        weights_.clear();
        for (std::size_t c = 0; c < columns_.items.size(); ++c) {
          weights_.push_back(columns_.count[c] * std::exp(-columns_.log_q[c]));
        }
        count_.set(ctx_, view_of(weights_));
        meter_.add(ctx_, weight, [&](auto... loss) {
          return loss::dot_product<float>(ctx_, scores, target_.view(), count_.view(), scores,
                                          loss...);
        });
        return;
      case TowerLoss::bpr:
        break;
    }
    if (scores.cols < 2) {  // a batch of one item has no negatives
      set_zero(ctx_, scores);
      return;
    }
    // Every row with its target in front, and back.
    order_rows();
    auto scratch = scratch_scope(ctx_, here);
    std::int64_t const all = scores.rows * scores.cols;
    auto const ordered = scratch.template matrix<float>(all, 1);
    MatrixView<float, S> const as_column{scores.data, all, 1};
    ops::gather_rows<float>(ctx_, as_column, order_there_.view(), ordered);
    VectorView<float, S> const positive{ordered.data, scores.rows};
    MatrixView<float, S> const negative{ordered.data + scores.rows, scores.rows, scores.cols - 1};
    meter_.add(ctx_, weight, [&](auto... loss) {
      return loss::bpr<float>(ctx_, positive, negative, positive, negative, loss...);
    });
    ops::gather_rows<float>(ctx_, ordered, places_there_.view(), as_column);
  }

  /// order_: where in the scores each positive lies, then each negative, row by row; places_: its
  /// inverse.
  void order_rows() {
    std::int64_t const m = std::ssize(columns_.target);
    std::int64_t const n = std::ssize(columns_.items);
    order_.resize(static_cast<std::size_t>(m * n));
    places_.resize(order_.size());
    std::int64_t next_negative = m;
    for (std::int64_t b = 0; b < m; ++b) {
      for (std::int64_t c = 0; c < n; ++c) {
        bool const target = columns_.target[static_cast<std::size_t>(b)] == c;
        std::int64_t const to = target ? b : next_negative++;
        order_[static_cast<std::size_t>(to)] = static_cast<NodeId>(b * n + c);
        places_[static_cast<std::size_t>(b * n + c)] = static_cast<NodeId>(to);
      }
    }
    order_there_.set(ctx_, view_of(order_));
    places_there_.set(ctx_, view_of(places_));
  }

  WithWorkspace<S> own_;
  Context<S> ctx_;
  TwoTowerConfig const& config_;
  TowerNetwork const& network_;
  Trained<S> trained_;
  graph::InteractionLogView const& log_;
  ItemInputsIn<S> const& items_;
  MatrixView<float const, S> vectors_;  // with cold items: those of all items, then as new ones
  Matrix<float, S> with_cold_;
  MatrixView<float const> user_features_;
  Examples examples_;
  std::vector<NodeTypeId> types_;
  PooledHistory pooled_;
  ItemTowerInput<S> item_input_;
  LossMeter<S> meter_;
  std::vector<std::int64_t> user_begin_;
  std::int64_t latest_ = 0;

  // Of one step, reused by the next.
  Columns columns_;
  std::vector<HistoryRow> rows_;
  std::vector<float> weights_;
  std::vector<NodeId> vector_rows_;
  std::vector<NodeId> order_, places_;
  Uploaded<NodeId, S> target_, order_there_, places_there_;
  Uploaded<float, S> log_q_, count_;
  PooledBatch<S> batch_;
  UserPass<S> users_;
  ItemPass<S> targets_;
  Matrix<float, S> scores_;
  Matrix<float, S> grad_users_;
  Matrix<float, S> grad_items_;
};

/// trend * temperature * (log recent share - log training share) of every item: moves the softmax
/// from the whole log's popularity, which the correction took out, towards the recent one. The last
/// element is that of an item without interactions.
Buffer<float> trend_bias(graph::InteractionLogView const& log, TwoTowerConfig const& config,
                         std::vector<float> const& log_q, std::int64_t latest) {
  auto bias = Buffer<float>::zeros(log.item_count + 1);
  std::vector<double> recent(static_cast<std::size_t>(bias.size()), 1.0);
  for (std::int64_t e = 0; e < log.item.size; ++e) {
    if ((log.strong.empty() || log.strong[e] != 0) &&
        log.time[e] >= earlier(latest, config.trend_seconds)) {
      recent[static_cast<std::size_t>(log.item[e])] += 1;
    }
  }
  double const total = std::accumulate(recent.begin(), recent.end() - 1, 0.0);
  for (std::size_t i = 0; i < recent.size(); ++i) {
    double const log_recent = std::log(recent[i] / total);
    bias.data()[i] = static_cast<float>(config.trend * config.temperature *
                                        (log_recent - static_cast<double>(log_q[i])));
  }
  return bias;
}

}  // namespace

template <AnyContext C>
TrainingHistory TwoTower::fit(C const& ctx, graph::InteractionLogView const& log,
                              graph::ItemTypes const& types,
                              In<ItemInputsIn<space_of<C>>> const& items,
                              MatrixView<float const> user_features,
                              ProgressCallback const& progress) {
  validate(config_);
  expect_sorted_log(log);
  types.check();
  if (types.offsets.back() != log.item_count) {
    raise<ShapeError>(here, "types", std::to_string(types.offsets.back()) + " items",
                      std::to_string(log.item_count) + " items, as in the log");
  }
  if (items.features.rows != log.item_count || items.vectors.rows != log.item_count) {
    raise<ShapeError>(here, "items",
                      std::to_string(items.features.rows) + " feature rows and " +
                          std::to_string(items.vectors.rows) + " vector rows",
                      std::to_string(log.item_count) + " of both, one per item");
  }
  if (config_.cold_items > 0 || !items.cold_vectors.empty()) {
    expect_shape(here, "items.cold_vectors", items.cold_vectors, log.item_count,
                 items.vectors.cols);
    if (log.item_count > std::numeric_limits<NodeId>::max() / 2) {
      raise<ConfigError>(here, "cold_items", std::to_string(log.item_count) + " items",
                         "fewer than 2^30");
    }
  }
  if (!user_features.empty() && user_features.rows != log.user_count) {
    raise<ShapeError>(here, "user_features", std::to_string(user_features.rows) + " rows",
                      std::to_string(log.user_count) + " rows, one per user");
  }
  expect_features(here, "items.features", ctx, items.features);
  expect_features(here, "items.vectors", ctx, items.vectors);
  expect_features(here, "items.cold_vectors", ctx, items.cold_vectors);
  expect_features(here, "user_features", user_features);
  initialize({.types = std::ssize(types.names),
              .item_features = items.features.cols,
              .item_vectors = items.vectors.cols,
              .user_features = user_features.cols},
             log.item_count);
  try {
    Trainer<space_of<C>> trainer(ctx, config_, *network_, parameters_, log, types, items,
                                 user_features);
    if (trainer.examples().entries.empty()) {
      raise<ConfigError>(here, "log", "no strong interaction",
                         "at least one strong interaction to learn from",
                         "Mark what counts as a success as strong.");
    }
    TrainingHistory history = trainer.run(progress);
    expect_converged(here, history, std::as_const(parameters_).values());
    auto const bias = trend_bias(log, config_, trainer.examples().log_q, trainer.latest());
    item_bias_ = Buffer<float>::copy_of({bias.data(), static_cast<std::size_t>(log.item_count)});
    unseen_bias_ = bias.view()[log.item_count];
    return history;
  } catch (...) {
    network_.reset();  // half trained is not fitted
    throw;
  }
}

#define RELWEAVE_INSTANTIATE(C)                                            \
  template TrainingHistory TwoTower::fit(                                  \
      C const&, graph::InteractionLogView const&, graph::ItemTypes const&, \
      ItemInputsIn<space_of<C>> const&, MatrixView<float const>, ProgressCallback const&)
RELWEAVE_INSTANTIATE(HostContext);
RELWEAVE_INSTANTIATE(CudaContext);

}  // namespace relweave::model
