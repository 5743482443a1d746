#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/core/random.hpp>
#include <relweave/loss/margin.hpp>
#include <relweave/loss/sampled_softmax.hpp>
#include <relweave/model/hgnn.hpp>
#include <relweave/ops/gather_rows/gather_rows.hpp>
#include <relweave/ops/linear/linear.hpp>
#include <relweave/ops/pair_score/pair_score.hpp>
#include <relweave/optim/early_stopping.hpp>
#include <relweave/sampling/negative.hpp>

#include "hgnn_forward.hpp"
#include "id_map.hpp"
#include "input_checks.hpp"
#include "training_loop.hpp"
#include "uploaded.hpp"

namespace relweave::model {

namespace {

constexpr std::string_view here = "Hgnn.fit";

// Random items that each held-out link is compared with.
constexpr std::int64_t validation_negatives = 50;

// Neighbourhood draws averaged for the validation score: half the noise of one at a quarter of the
// cost of the eight used for the final vectors.
constexpr std::int64_t validation_draws = 2;

// A smaller improvement of the validation score does not count as one.
constexpr double minimum_improvement = 1e-4;

graph::ItemLinks subset(graph::ItemLinks const& links, VectorView<std::int64_t const> chosen) {
  graph::ItemLinks result{.lower = Buffer<NodeId>(chosen.size),
                          .upper = Buffer<NodeId>(chosen.size),
                          .count = Buffer<std::int64_t>(chosen.size),
                          .weight = Buffer<float>(chosen.size)};
  for (std::int64_t k = 0; k < chosen.size; ++k) {
    result.lower.view()[k] = links.lower.view()[chosen[k]];
    result.upper.view()[k] = links.upper.view()[chosen[k]];
    result.count.view()[k] = links.count.view()[chosen[k]];
    result.weight.view()[k] = links.weight.view()[chosen[k]];
  }
  return result;
}

/// The unordered pair of item types of each link, as a dense group number.
std::vector<std::int32_t> link_groups(graph::ItemTypes const& types,
                                      graph::ItemLinks const& links) {
  auto const n = static_cast<std::int32_t>(types.names.size());
  std::vector<std::int32_t> groups;
  groups.reserve(static_cast<std::size_t>(links.lower.size()));
  for (std::int64_t k = 0; k < links.lower.size(); ++k) {
    // Items are grouped by type, so the lower item has the lower type.
    groups.push_back(index(types.type_of(links.lower.view()[k])) * n +
                     index(types.type_of(links.upper.view()[k])));
  }
  return groups;
}

template <Space S>
class LinkTrainer {
 public:
  LinkTrainer(Context<S> const& ctx, HgnnConfig const& config, nn::HeteroSage<float> const& network,
              nn::ParameterSet<float>& parameters, graph::ItemTypes const& types,
              graph::ItemLinks const& train, graph::ItemLinks const& held_out,
              MatrixView<float const, S> features)
      : own_(ctx),
        ctx_(own_.ctx()),
        config_(config),
        host_parameters_(parameters),
        trained_(ctx_, parameters),
        item_count_(types.offsets.back()),
        train_(train),
        held_out_(held_out),
        groups_(link_groups(types, train)),
        sampler_({groups_.data(), groups_.size()},
                 static_cast<std::int32_t>(types.names.size() * types.names.size()),
                 {.balance = config.balance, .floor = config.balance_floor}),
        graph_(graph::link_graph(host_of(ctx), types, train)),
        forward_(ctx_, network, parameters, graph_, types, features, config.fanout) {
    if (config.loss == LinkLoss::sampled_softmax) {
      set_popularity();
    }
  }

  TrainingHistory run(ProgressCallback const& progress) {
    TrainingHistory history;
    optim::EarlyStopping<float> best(
        {.patience = config_.patience, .min_delta = minimum_improvement});
    Buffer<std::int64_t> order;
    std::int64_t global = 0;
    for (std::int64_t epoch = 0; epoch < config_.epochs && !history.interrupted; ++epoch) {
      auto const start = std::chrono::steady_clock::now();
      sampler_.epoch(config_.seed, static_cast<std::uint64_t>(epoch), order);
      std::int64_t const n = order.size();
      std::int64_t const steps = (n + config_.batch - 1) / config_.batch;
      meter_.clear();
      std::int64_t seen = 0;
      for (std::int64_t step = 0; step < steps && !history.interrupted; ++step, ++global) {
        auto const batch = order.view().slice(step * config_.batch,
                                              std::min(config_.batch, n - step * config_.batch));
        train_step(batch, global);
        seen += batch.size;
        if (progress && !progress({.stage = "hgnn",
                                   .epoch = epoch,
                                   .epochs = config_.epochs,
                                   .step = step + 1,
                                   .steps = steps,
                                   .loss = meter_.mean()})) {
          history.interrupted = true;
        }
      }
      meter_.finish();
      trained_.read(ctx_);
      std::chrono::duration<double> const took = std::chrono::steady_clock::now() - start;
      double const score = validation_score();
      history.epochs.push_back(
          {.loss = meter_.mean(), .validation = score, .seconds = took.count(), .examples = seen});
      if (held_out_.lower.empty()) {
        history.best_epoch = epoch;
        continue;
      }
      bool const go_on = best.update(score, host_parameters_.values());
      history.best_epoch = best.best_epoch();
      if (!go_on) {
        break;
      }
    }
    if (!held_out_.lower.empty() && history.best_epoch >= 0) {
      best.restore(host_parameters_.values());
    }
    return history;
  }

 private:
  void train_step(VectorView<std::int64_t const> batch, std::int64_t step) {
    [[maybe_unused]] auto const guard = make_current(ctx_);
    choose_pairs(batch, step);
    sampling::SampleOptions const options{.excluded = {anchors_.view(), positives_.view()},
                                          .node_drop = static_cast<float>(config_.node_drop)};
    auto& parameters = trained_.parameters();
    auto const z = forward_.run(ctx_, parameters, nodes_, config_.seed,
                                static_cast<std::uint64_t>(step), options);
    grad_.reset(z.rows, z.cols);
    set_zero(ctx_, grad_.view());
    if (config_.loss == LinkLoss::margin) {
      margin_loss(z);
    } else {
      softmax_loss(z);
    }
    set_zero<float, S>(ctx_, parameters.gradients());
    forward_.backward(ctx_, parameters, grad_.view());
    trained_.step(ctx_, config_.learning_rate);
  }

  /// Anchor, positive and negatives of each link, and the unique items among them.
  void choose_pairs(VectorView<std::int64_t const> batch, std::int64_t step) {
    std::int64_t const b = batch.size;
    anchors_.reset(b);
    positives_.reset(b);
    for (std::int64_t k = 0; k < b; ++k) {
      NodeId const lower = train_.lower.view()[batch[k]];
      NodeId const upper = train_.upper.view()[batch[k]];
      RandomStream random(config_.seed, Purpose::edge_flip,
                          static_cast<std::uint64_t>(step * config_.batch + k));
      bool const flip = random.next() % 2 == 1;
      anchors_.view()[k] = flip ? upper : lower;
      positives_.view()[k] = flip ? lower : upper;
    }
    bool const with_negatives = config_.loss == LinkLoss::margin;
    negatives_.reset(with_negatives ? b : 0, config_.negatives);
    if (with_negatives) {
      sampling::uniform_negatives(host_of(ctx_), config_.seed, static_cast<std::uint64_t>(step),
                                  item_count_, negatives_.view());
    }

    nodes_.clear();
    positions_.clear(static_cast<std::size_t>(b * (2 + (with_negatives ? config_.negatives : 0))));
    auto const collect = [&](NodeId const* ids, std::int64_t count) {
      for (std::int64_t k = 0; k < count; ++k) {
        if (positions_.insert(ids[k])) {
          nodes_.push_back(ids[k]);
        }
      }
    };
    collect(anchors_.data(), b);
    collect(positives_.data(), b);
    collect(negatives_.data(), negatives_.rows() * negatives_.cols());
    std::sort(nodes_.begin(), nodes_.end());
    for (std::size_t p = 0; p < nodes_.size(); ++p) {
      positions_[nodes_[p]] = static_cast<NodeId>(p);
    }
    anchor_rows_.set(*this, anchors_.data(), b);
    if (with_negatives) {
      positive_rows_.set(*this, positives_.data(), b);
      repeated_rows_.set(*this, anchors_.data(), b, config_.negatives);
      negative_rows_.set(*this, negatives_.data(), b * config_.negatives);
    }
  }

  /// Rows of z of some ids.
  struct Rows {
    Buffer<NodeId> host;
    IndexList<S> list;

    /// Each id `times` times.
    void set(LinkTrainer& trainer, NodeId const* ids, std::int64_t count, std::int64_t times = 1) {
      host.reset(count * times);
      NodeId* out = host.data();
      for (std::int64_t k = 0; k < count; ++k) {
        out = std::fill_n(out, times, trainer.positions_[ids[k]]);
      }
      list.set(trainer.ctx_, host.view(), std::ssize(trainer.nodes_));
    }
    auto view() const { return list.view(); }
  };

  void margin_loss(MatrixView<float const, S> z) {
    std::int64_t const b = anchors_.size();
    auto scratch = scratch_scope(ctx_, here);
    auto const positive = scratch.template vector<float>(b);
    auto const negative = scratch.template matrix<float>(b, config_.negatives);
    VectorView<float, S> const negative_flat{negative.data, negative.rows * negative.cols};
    ops::pair_score<float>(ctx_, z, anchor_rows_.view(), z, positive_rows_.view(), positive);
    ops::pair_score<float>(ctx_, z, repeated_rows_.view(), z, negative_rows_.view(), negative_flat);
    meter_.add(ctx_, static_cast<double>(b), [&](auto... loss) {
      return loss::margin<float>(ctx_, positive, negative, {.margin = config_.margin}, positive,
                                 negative, loss...);
    });
    ops::pair_score_backward<float>(ctx_, z, anchor_rows_.list.list(), z,
                                    positive_rows_.list.list(), positive, grad_.view(),
                                    grad_.view());
    ops::pair_score_backward<float>(ctx_, z, repeated_rows_.list.list(), z,
                                    negative_rows_.list.list(), negative_flat, grad_.view(),
                                    grad_.view());
  }

  /// In-batch softmax over the unique positives.
  void softmax_loss(MatrixView<float const, S> z) {
    std::int64_t const b = anchors_.size();
    columns_.assign(positives_.data(), positives_.data() + b);
    std::sort(columns_.begin(), columns_.end());
    columns_.erase(std::unique(columns_.begin(), columns_.end()), columns_.end());
    auto const n = std::ssize(columns_);
    log_q_.clear();
    count_.assign(columns_.size(), 0.0F);
    target_.clear();
    for (NodeId const item : columns_) {
      log_q_.push_back(popularity_[static_cast<std::size_t>(item)]);
    }
    for (std::int64_t k = 0; k < b; ++k) {
      auto const column = std::lower_bound(columns_.begin(), columns_.end(), positives_.data()[k]) -
                          columns_.begin();
      target_.push_back(static_cast<NodeId>(column));
      count_[static_cast<std::size_t>(column)] += 1;
    }
    column_rows_.set(*this, columns_.data(), n);
    target_there_.set(ctx_, {target_.data(), b});
    log_q_there_.set(ctx_, {log_q_.data(), n});
    count_there_.set(ctx_, {count_.data(), n});

    auto scratch = scratch_scope(ctx_, here);
    auto const left = scratch.template matrix<float>(b, z.cols);
    auto const right = scratch.template matrix<float>(n, z.cols);
    auto const scores = scratch.template matrix<float>(b, n);
    ops::gather_rows<float>(ctx_, z, anchor_rows_.view(), left);
    ops::gather_rows<float>(ctx_, z, column_rows_.view(), right);
    ops::matmul<float>(ctx_, left, right, {.b = ops::Transpose::yes}, scores);
    meter_.add(ctx_, static_cast<double>(b), [&](auto... loss) {
      return loss::sampled_softmax<float>(
          ctx_, scores,
          loss::CandidatesOf<float, S>{.target = target_there_.view(),
                                       .log_q = log_q_there_.view(),
                                       .count = count_there_.view()},
          {.temperature = config_.temperature}, {}, scores, loss...);
    });
    auto const grad_left = scratch.template matrix<float>(b, z.cols);
    auto const grad_right = scratch.template matrix<float>(n, z.cols);
    ops::matmul<float>(ctx_, scores, right, {}, grad_left);
    ops::matmul<float>(ctx_, scores, left, {.a = ops::Transpose::yes}, grad_right);
    ops::scatter_rows<float>(ctx_, grad_left, anchor_rows_.list.list(), grad_.view());
    ops::scatter_rows<float>(ctx_, grad_right, column_rows_.list.list(), grad_.view());
  }

  /// log share of every item among the ends of the training links.
  void set_popularity() {
    std::vector<double> degree(static_cast<std::size_t>(item_count_), 1.0);
    for (std::int64_t k = 0; k < train_.lower.size(); ++k) {
      degree[static_cast<std::size_t>(train_.lower.view()[k])] += 1;
      degree[static_cast<std::size_t>(train_.upper.view()[k])] += 1;
    }
    double const total = std::accumulate(degree.begin(), degree.end(), 0.0);
    for (double const d : degree) {
      popularity_.push_back(static_cast<float>(std::log(d / total)));
    }
  }

  /// Share of (held-out link, random item) pairs in which the link's end scores higher: the AUC.
  double validation_score() {
    std::int64_t const n = held_out_.lower.size();
    if (n == 0) {
      return 0;
    }
    [[maybe_unused]] auto const guard = make_current(ctx_);
    Matrix<float, S> z(item_count_, forward_.out_features());
    forward_.average(ctx_, trained_.parameters(), config_.seed, validation_draws, z.view());
    // Each link, then its random pairs.
    Matrix<NodeId> first(n, 1 + validation_negatives);
    Matrix<NodeId> second(n, 1 + validation_negatives);
    Matrix<NodeId> negatives(n, validation_negatives);
    sampling::uniform_negatives(host_of(ctx_), ~config_.seed, 0, item_count_, negatives.view());
    for (std::int64_t k = 0; k < n; ++k) {
      std::fill_n(first.view().row_data(k), first.cols(), held_out_.lower.view()[k]);
      second.view()(k, 0) = held_out_.upper.view()[k];
      std::copy_n(negatives.view().row_data(k), negatives.cols(), second.view().row_data(k) + 1);
    }
    Uploaded<NodeId, S> first_there, second_there;
    first_there.set(ctx_, {first.data(), n * first.cols()});
    second_there.set(ctx_, {second.data(), n * second.cols()});
    Matrix<float, S> scores_there(n, first.cols());
    ops::pair_score<float>(ctx_, z.view(), first_there.view(), z.view(), second_there.view(),
                           VectorView<float, S>(scores_there.data(), n * first.cols()));
    Matrix<float> const scores = to_host<float, S>(ctx_, scores_there.view());
    std::int64_t above = 0;
    for (std::int64_t k = 0; k < n; ++k) {
      auto const row = scores.view().row(k);
      above += std::count_if(row.begin() + 1, row.end(), [&](float s) { return row[0] > s; });
    }
    return static_cast<double>(above) / static_cast<double>(n * validation_negatives);
  }

  WithWorkspace<S> own_;
  Context<S> ctx_;
  HgnnConfig const& config_;
  nn::ParameterSet<float>& host_parameters_;
  Trained<S> trained_;
  std::int64_t item_count_;
  graph::ItemLinks const& train_;
  graph::ItemLinks const& held_out_;
  std::vector<std::int32_t> groups_;
  sampling::LinkSampler sampler_;
  graph::HeteroGraph graph_;
  HgnnForward<S> forward_;
  LossMeter<S> meter_;

  // Of one step, reused by the next.
  Buffer<NodeId> anchors_, positives_;
  Matrix<NodeId> negatives_;
  std::vector<NodeId> nodes_;  // unique items of the step, ascending
  IdMap positions_;            // item -> position in nodes_
  Rows anchor_rows_, positive_rows_, repeated_rows_, negative_rows_;
  Matrix<float, S> grad_;

  // For the sampled softmax.
  std::vector<float> popularity_;
  std::vector<NodeId> columns_;
  std::vector<NodeId> target_;
  std::vector<float> log_q_, count_;
  Rows column_rows_;
  Uploaded<NodeId, S> target_there_;
  Uploaded<float, S> log_q_there_, count_there_;
};

}  // namespace

template <AnyContext C>
TrainingHistory Hgnn::fit(C const& ctx, graph::ItemTypes const& types,
                          graph::ItemLinks const& links,
                          In<MatrixView<float const, space_of<C>>> features,
                          ProgressCallback const& progress) {
  expect_links(here, types, links);
  if (features.rows != types.offsets.back() || features.cols == 0) {
    raise<ShapeError>(here, "features", "shape " + shape_string(features.rows, features.cols),
                      "shape (" + std::to_string(types.offsets.back()) + ", d), one row per item");
  }
  expect_features(here, "features", ctx, features);
  if (links.lower.empty()) {
    raise<GraphError>(here, "links", "no link", "at least one link between two items",
                      "No user has two items in common: widen the window, lower min_count, or "
                      "train the towers alone (use_hgnn = false).");
  }
  initialize(types, features.cols);

  auto const split =
      sampling::validation_split(links.lower.size(), config_.validation_fraction, config_.seed);
  graph::ItemLinks const train = subset(links, split.train.view());
  graph::ItemLinks const held_out = subset(links, split.validation.view());
  try {
    LinkTrainer<space_of<C>> trainer(ctx, config_, *network_, parameters_, types, train, held_out,
                                     features);
    TrainingHistory history = trainer.run(progress);
    expect_converged(here, history, std::as_const(parameters_).values());
    return history;
  } catch (...) {
    network_.reset();  // half trained is not fitted
    throw;
  }
}

#define RELWEAVE_INSTANTIATE(C)                                                                  \
  template TrainingHistory Hgnn::fit(C const&, graph::ItemTypes const&, graph::ItemLinks const&, \
                                     MatrixView<float const, space_of<C>>,                       \
                                     ProgressCallback const&)
RELWEAVE_INSTANTIATE(HostContext);
RELWEAVE_INSTANTIATE(CudaContext);

}  // namespace relweave::model
