#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/core/profile.hpp>
#include <relweave/core/random.hpp>
#include <relweave/loss/bpr.hpp>
#include <relweave/loss/dot_product.hpp>
#include <relweave/loss/sampled_softmax.hpp>
#include <relweave/model/two_tower.hpp>
#include <relweave/ops/gather_rows/gather_rows.hpp>
#include <relweave/ops/linear/linear.hpp>
#include <relweave/optim/schedule.hpp>
#include <relweave/sampling/loader.hpp>

#include "input_checks.hpp"
#include "item_tower_input.hpp"
#include "tower_batches.hpp"
#include "training_loop.hpp"
#include "two_tower_checks.hpp"
#include "uploaded.hpp"

namespace relweave::model {

namespace {

constexpr std::string_view here = "TwoTower.fit";

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
        items_(items),
        batcher_(config, log, types, user_features),
        types_(item_types(types)),
        item_input_(ctx_, std::ssize(types.names)) {
    for (int slot = 0; slot < (prefetches(ctx) ? 2 : 1); ++slot) {
      batches_.push_back(batcher_.blank());
    }
    vectors_ = items.vectors;
    if (config.cold_items > 0) {
      [[maybe_unused]] auto const guard = make_current(ctx_);
      std::int64_t const n = items.vectors.rows;
      with_cold_ = Matrix<float, S>(2 * n, items.vectors.cols);
      copy(ctx_, items.vectors, with_cold_.view().row_slice(0, n));
      copy(ctx_, items.cold_vectors, with_cold_.view().row_slice(n, n));
      vectors_ = with_cold_.view();
    }
  }

  TowerBatcher const& batcher() const { return batcher_; }

  TrainingHistory run(ProgressCallback const& progress) {
    TrainingHistory history;
    auto const n = std::ssize(batcher_.entries());
    std::int64_t const steps = (n + config_.batch - 1) / config_.batch;
    optim::CosineSchedule const cosine{.base = config_.learning_rate,
                                       .steps = steps * config_.epochs};
    for (std::int64_t epoch = 0; epoch < config_.epochs && !history.interrupted; ++epoch) {
      auto const start = std::chrono::steady_clock::now();
      auto order = batcher_.entries();
      RandomStream(config_.seed, Purpose::shuffle, static_cast<std::uint64_t>(epoch))
          .shuffle(order.begin(), order.end());
      meter_.clear();
      std::int64_t seen = 0;
      sampling::Loader<TowerBatch> loader(
          batches_, steps, [&, first = epoch * steps](std::int64_t step, TowerBatch& batch) {
            batcher_.make(std::span(order).subspan(static_cast<std::size_t>(step * config_.batch),
                                                   static_cast<std::size_t>(std::min(
                                                       config_.batch, n - step * config_.batch))),
                          first + step, batch);
          });
      for (std::int64_t step = 0; step < steps && !history.interrupted; ++step) {
        std::int64_t const global = epoch * steps + step;
        double const rate = config_.schedule == LearningRateSchedule::cosine
                                ? cosine(global)
                                : config_.learning_rate;
        TowerBatch const& batch = loader.next();
        train_step(batch, rate);
        seen += std::ssize(batch.target);
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
  void train_step(TowerBatch const& batch, double rate) {
    ProfileScope const profile("training_step");
    auto const m = std::ssize(batch.target);
    auto const n = std::ssize(batch.items);
    auto const d = config_.layers.back();

    [[maybe_unused]] auto const guard = make_current(ctx_);
    auto& parameters = trained_.parameters();
    auto const item_x = item_input_.gather(
        ctx_, items_.features, vectors_, view_of(types_),
        {.features = view_of(batch.items), .vectors = view_of(batch.vector_rows)});
    nn::PooledInput<float, S> const histories =
        histories_.gather(ctx_, batch.histories, items_.vectors);
    network_.forward_users(ctx_, parameters, histories, users_);
    network_.forward_items(ctx_, parameters, item_x, targets_);

    scores_.reset(m, n);
    ops::matmul<float>(ctx_, users_.unit.view(), targets_.unit.view(), {.b = ops::Transpose::yes},
                       scores_.view());
    score_loss(batch);

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

  /// Replaces scores_ by the gradient of the loss.
  void score_loss(TowerBatch const& batch) {
    auto const scores = scores_.view();
    auto const weight = static_cast<double>(scores.rows);
    target_.set(ctx_, view_of(batch.target));
    switch (config_.loss) {
      case TowerLoss::sampled_softmax:
        log_q_.set(ctx_, view_of(batch.log_q));
        count_.set(ctx_, view_of(batch.count));
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
        count_.set(ctx_, view_of(batch.weights));
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
    order_there_.set(ctx_, view_of(batch.order));
    places_there_.set(ctx_, view_of(batch.places));
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

  WithWorkspace<S> own_;
  Context<S> ctx_;
  TwoTowerConfig const& config_;
  TowerNetwork const& network_;
  Trained<S> trained_;
  ItemInputsIn<S> const& items_;
  MatrixView<float const, S> vectors_;  // with cold items: those of all items, then as new ones
  Matrix<float, S> with_cold_;
  TowerBatcher batcher_;
  std::vector<TowerBatch> batches_;  // the step's, and the one that is made meanwhile
  std::vector<NodeTypeId> types_;
  ItemTowerInput<S> item_input_;
  LossMeter<S> meter_;

  // Of one step, reused by the next.
  Uploaded<NodeId, S> target_, order_there_, places_there_;
  Uploaded<float, S> log_q_, count_;
  PooledBatch<S> histories_;
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
    if (trainer.batcher().entries().empty()) {
      raise<ConfigError>(here, "log", "no strong interaction",
                         "at least one strong interaction to learn from",
                         "Mark what counts as a success as strong.");
    }
    TrainingHistory history = trainer.run(progress);
    expect_converged(here, history, std::as_const(parameters_).values());
    auto const bias =
        trend_bias(log, config_, trainer.batcher().log_q(), trainer.batcher().latest());
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
