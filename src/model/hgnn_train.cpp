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
#include <relweave/optim/adam.hpp>
#include <relweave/optim/early_stopping.hpp>
#include <relweave/sampling/negative.hpp>

#include "hgnn_forward.hpp"
#include "id_map.hpp"
#include "input_checks.hpp"

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

class LinkTrainer {
 public:
  LinkTrainer(HostContext const& ctx, HgnnConfig const& config,
              nn::HeteroSage<float> const& network, nn::ParameterSet<float>& parameters,
              graph::ItemTypes const& types, graph::ItemLinks const& train,
              graph::ItemLinks const& held_out, MatrixView<float const> features)
      : ctx_(ctx),
        config_(config),
        parameters_(parameters),
        item_count_(types.offsets.back()),
        train_(train),
        held_out_(held_out),
        groups_(link_groups(types, train)),
        sampler_({groups_.data(), groups_.size()},
                 static_cast<std::int32_t>(types.names.size() * types.names.size()),
                 {.balance = config.balance, .floor = config.balance_floor}),
        graph_(graph::link_graph(ctx, types, train)),
        forward_(network, graph_, types, features, config.fanout),
        optimizer_({}, parameters.size()) {
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
      double total = 0;
      std::int64_t seen = 0;
      for (std::int64_t step = 0; step < steps && !history.interrupted; ++step, ++global) {
        auto const batch = order.view().slice(step * config_.batch,
                                              std::min(config_.batch, n - step * config_.batch));
        total += train_step(batch, global) * static_cast<double>(batch.size);
        seen += batch.size;
        if (progress && !progress({.stage = "hgnn",
                                   .epoch = epoch,
                                   .epochs = config_.epochs,
                                   .step = step + 1,
                                   .steps = steps,
                                   .loss = total / static_cast<double>(seen)})) {
          history.interrupted = true;
        }
      }
      std::chrono::duration<double> const took = std::chrono::steady_clock::now() - start;
      double const score = validation_score();
      history.epochs.push_back(
          {.loss = total / static_cast<double>(std::max<std::int64_t>(seen, 1)),
           .validation = score,
           .seconds = took.count(),
           .examples = seen});
      if (held_out_.lower.empty()) {
        history.best_epoch = epoch;
        continue;
      }
      bool const go_on = best.update(score, parameters_.values());
      history.best_epoch = best.best_epoch();
      if (!go_on) {
        break;
      }
    }
    if (!held_out_.lower.empty() && history.best_epoch >= 0) {
      best.restore(parameters_.values());
    }
    return history;
  }

 private:
  double train_step(VectorView<std::int64_t const> batch, std::int64_t step) {
    choose_pairs(batch, step);
    sampling::SampleOptions const options{.excluded = {anchors_.view(), positives_.view()},
                                          .node_drop = static_cast<float>(config_.node_drop)};
    auto const z = forward_.run(ctx_, parameters_, nodes_, config_.seed,
                                static_cast<std::uint64_t>(step), options);
    grad_.reset(z.rows, z.cols);
    std::fill_n(grad_.data(), z.rows * z.cols, 0.0F);
    double const loss = config_.loss == LinkLoss::margin ? margin_loss(z) : softmax_loss(z);
    parameters_.zero_gradients();
    forward_.backward(ctx_, parameters_, grad_.view());
    optimizer_.step(ctx_, parameters_.values(), parameters_.gradients(), config_.learning_rate);
    return loss;
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
      sampling::uniform_negatives(ctx_, config_.seed, static_cast<std::uint64_t>(step), item_count_,
                                  negatives_.view());
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
    rows_of(anchors_.data(), b, 1, anchor_rows_);
    rows_of(positives_.data(), b, 1, positive_rows_);
    if (with_negatives) {
      rows_of(anchors_.data(), b, config_.negatives, repeated_rows_);
      rows_of(negatives_.data(), b * config_.negatives, 1, negative_rows_);
    }
  }

  /// Rows of z of each id, each repeated `times` times.
  void rows_of(NodeId const* ids, std::int64_t count, std::int64_t times, Buffer<NodeId>& rows) {
    rows.reset(count * times);
    NodeId* out = rows.data();
    for (std::int64_t k = 0; k < count; ++k) {
      out = std::fill_n(out, times, positions_[ids[k]]);
    }
  }

  double margin_loss(MatrixView<float const> z) {
    std::int64_t const b = anchors_.size();
    Workspace::Scope scratch(scratch_of(ctx_));
    auto const positive = scratch.vector<float>(b);
    auto const negative = scratch.matrix<float>(b, config_.negatives);
    VectorView<float> const negative_flat{negative.data, negative.rows * negative.cols};
    ops::pair_score<float>(ctx_, z, anchor_rows_.view(), z, positive_rows_.view(), positive);
    ops::pair_score<float>(ctx_, z, repeated_rows_.view(), z, negative_rows_.view(), negative_flat);
    double const loss = loss::margin<float>(ctx_, positive, negative, {.margin = config_.margin},
                                            positive, negative);
    ops::pair_score_backward<float>(ctx_, z, anchor_rows_.view(), z, positive_rows_.view(),
                                    positive, grad_.view(), grad_.view());
    ops::pair_score_backward<float>(ctx_, z, repeated_rows_.view(), z, negative_rows_.view(),
                                    negative_flat, grad_.view(), grad_.view());
    return loss;
  }

  /// In-batch softmax over the unique positives.
  double softmax_loss(MatrixView<float const> z) {
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
    Buffer<NodeId> column_rows;
    rows_of(columns_.data(), n, 1, column_rows);

    Workspace::Scope scratch(scratch_of(ctx_));
    auto const left = scratch.matrix<float>(b, z.cols);
    auto const right = scratch.matrix<float>(n, z.cols);
    auto const scores = scratch.matrix<float>(b, n);
    ops::gather_rows<float>(ctx_, z, anchor_rows_.view(), left);
    ops::gather_rows<float>(ctx_, z, column_rows.view(), right);
    ops::matmul<float>(ctx_, left, right, {.b = ops::Transpose::yes}, scores);
    double const loss = loss::sampled_softmax<float>(
        ctx_, scores,
        {.target = {target_.data(), b}, .log_q = {log_q_.data(), n}, .count = {count_.data(), n}},
        {.temperature = config_.temperature}, {}, scores);
    auto const grad_left = scratch.matrix<float>(b, z.cols);
    auto const grad_right = scratch.matrix<float>(n, z.cols);
    ops::matmul<float>(ctx_, scores, right, {}, grad_left);
    ops::matmul<float>(ctx_, scores, left, {.a = ops::Transpose::yes}, grad_right);
    ops::scatter_rows<float>(ctx_, grad_left, anchor_rows_.view(), grad_.view());
    ops::scatter_rows<float>(ctx_, grad_right, column_rows.view(), grad_.view());
    return loss;
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
    Matrix<float> z(item_count_, forward_.out_features());
    forward_.average(ctx_, parameters_, config_.seed, validation_draws, z.view());
    Matrix<NodeId> negatives(n, validation_negatives);
    sampling::uniform_negatives(ctx_, ~config_.seed, 0, item_count_, negatives.view());
    Buffer<float> positive(n);
    ops::pair_score<float>(ctx_, z.view(), held_out_.lower.view(), z.view(), held_out_.upper.view(),
                           positive.view());
    Buffer<NodeId> repeated(n * validation_negatives);
    for (std::int64_t k = 0; k < n; ++k) {
      std::fill_n(repeated.data() + k * validation_negatives, validation_negatives,
                  held_out_.lower.view()[k]);
    }
    Buffer<float> scores(n * validation_negatives);
    ops::pair_score<float>(ctx_, z.view(), repeated.view(), z.view(),
                           {negatives.data(), scores.size()}, scores.view());
    std::int64_t above = 0;
    for (std::int64_t p = 0; p < scores.size(); ++p) {
      above += positive.view()[p / validation_negatives] > scores.view()[p] ? 1 : 0;
    }
    return static_cast<double>(above) / static_cast<double>(scores.size());
  }

  HostContext ctx_;
  HgnnConfig const& config_;
  nn::ParameterSet<float>& parameters_;
  std::int64_t item_count_;
  graph::ItemLinks const& train_;
  graph::ItemLinks const& held_out_;
  std::vector<std::int32_t> groups_;
  sampling::LinkSampler sampler_;
  graph::HeteroGraph graph_;
  HgnnForward forward_;
  optim::Adam<float> optimizer_;

  // Of one step, reused by the next.
  Buffer<NodeId> anchors_, positives_;
  Matrix<NodeId> negatives_;
  std::vector<NodeId> nodes_;  // unique items of the step, ascending
  IdMap positions_;            // item -> position in nodes_
  Buffer<NodeId> anchor_rows_, positive_rows_, repeated_rows_, negative_rows_;
  Matrix<float> grad_;

  // For the sampled softmax.
  std::vector<float> popularity_;
  std::vector<NodeId> columns_;
  std::vector<NodeId> target_;
  std::vector<float> log_q_, count_;
};

}  // namespace

TrainingHistory Hgnn::fit(HostContext const& ctx, graph::ItemTypes const& types,
                          graph::ItemLinks const& links, MatrixView<float const> features,
                          ProgressCallback const& progress) {
  expect_links(here, types, links);
  if (features.rows != types.offsets.back() || features.cols == 0) {
    raise<ShapeError>(here, "features", "shape " + shape_string(features.rows, features.cols),
                      "shape (" + std::to_string(types.offsets.back()) + ", d), one row per item");
  }
  expect_features(here, "features", features);
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
    LinkTrainer trainer(ctx, config_, *network_, parameters_, types, train, held_out, features);
    TrainingHistory history = trainer.run(progress);
    expect_converged(here, history, std::as_const(parameters_).values());
    return history;
  } catch (...) {
    network_.reset();  // half trained is not fitted
    throw;
  }
}

}  // namespace relweave::model
