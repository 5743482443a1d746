#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/core/profile.hpp>
#include <relweave/loss/margin.hpp>
#include <relweave/loss/sampled_softmax.hpp>
#include <relweave/model/hgnn.hpp>
#include <relweave/ops/gather_rows/gather_rows.hpp>
#include <relweave/ops/linear/linear.hpp>
#include <relweave/ops/pair_score/pair_score.hpp>
#include <relweave/optim/early_stopping.hpp>
#include <relweave/sampling/loader.hpp>
#include <relweave/sampling/negative.hpp>

#include "hgnn_forward.hpp"
#include "input_checks.hpp"
#include "link_batches.hpp"
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
        held_out_(held_out),
        groups_(link_groups(types, train)),
        sampler_({groups_.data(), groups_.size()},
                 static_cast<std::int32_t>(types.names.size() * types.names.size()),
                 {.balance = config.balance, .floor = config.balance_floor}),
        graph_(graph::link_graph(host_of(ctx), types, train)),
        forward_(ctx_, network, parameters, graph_, types, features, config.fanout),
        batcher_(config, types, train),
        batches_(prefetches(ctx) ? 2 : 1) {}

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
      sampling::Loader<LinkBatch> loader(
          batches_, steps, [&, first = global](std::int64_t step, LinkBatch& batch) {
            make(order.view().slice(step * config_.batch,
                                    std::min(config_.batch, n - step * config_.batch)),
                 first + step, batch);
          });
      for (std::int64_t step = 0; step < steps && !history.interrupted; ++step, ++global) {
        LinkBatch const& batch = loader.next();
        train_step(batch);
        seen += batch.anchors.size();
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
  void make(VectorView<std::int64_t const> chosen, std::int64_t step, LinkBatch& out) {
    HostContext const ctx = loader_context(ctx_);
    batcher_.make(ctx, chosen, step, out);
    forward_.sample(ctx, out.nodes, config_.seed, static_cast<std::uint64_t>(step),
                    {.excluded = {out.anchors.view(), out.positives.view()},
                     .node_drop = static_cast<float>(config_.node_drop)},
                    out.blocks);
  }

  void train_step(LinkBatch const& batch) {
    ProfileScope const profile("training_step");
    [[maybe_unused]] auto const guard = make_current(ctx_);
    auto& parameters = trained_.parameters();
    auto const z = forward_.run(ctx_, parameters, batch.blocks);
    grad_.reset(z.rows, z.cols);
    set_zero(ctx_, grad_.view());
    anchor_rows_.set(ctx_, view_of(batch.anchor_rows), z.rows);
    if (config_.loss == LinkLoss::margin) {
      margin_loss(batch, z);
    } else {
      softmax_loss(batch, z);
    }
    set_zero<float, S>(ctx_, parameters.gradients());
    forward_.backward(ctx_, parameters, batch.blocks, grad_.view());
    trained_.step(ctx_, config_.learning_rate);
  }

  void margin_loss(LinkBatch const& batch, MatrixView<float const, S> z) {
    std::int64_t const b = batch.anchors.size();
    positive_rows_.set(ctx_, view_of(batch.positive_rows), z.rows);
    repeated_rows_.set(ctx_, view_of(batch.repeated_rows), z.rows);
    negative_rows_.set(ctx_, view_of(batch.negative_rows), z.rows);
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
    ops::pair_score_backward<float>(ctx_, z, anchor_rows_.list(), z, positive_rows_.list(),
                                    positive, grad_.view(), grad_.view());
    ops::pair_score_backward<float>(ctx_, z, repeated_rows_.list(), z, negative_rows_.list(),
                                    negative_flat, grad_.view(), grad_.view());
  }

  /// In-batch softmax over the unique positives.
  void softmax_loss(LinkBatch const& batch, MatrixView<float const, S> z) {
    std::int64_t const b = batch.anchors.size();
    std::int64_t const n = std::ssize(batch.columns);
    column_rows_.set(ctx_, view_of(batch.column_rows), z.rows);
    target_.set(ctx_, view_of(batch.target));
    log_q_.set(ctx_, view_of(batch.log_q));
    count_.set(ctx_, view_of(batch.count));

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
          loss::CandidatesOf<float, S>{
              .target = target_.view(), .log_q = log_q_.view(), .count = count_.view()},
          {.temperature = config_.temperature}, {}, scores, loss...);
    });
    auto const grad_left = scratch.template matrix<float>(b, z.cols);
    auto const grad_right = scratch.template matrix<float>(n, z.cols);
    ops::matmul<float>(ctx_, scores, right, {}, grad_left);
    ops::matmul<float>(ctx_, scores, left, {.a = ops::Transpose::yes}, grad_right);
    ops::scatter_rows<float>(ctx_, grad_left, anchor_rows_.list(), grad_.view());
    ops::scatter_rows<float>(ctx_, grad_right, column_rows_.list(), grad_.view());
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
  graph::ItemLinks const& held_out_;
  std::vector<std::int32_t> groups_;
  sampling::LinkSampler sampler_;
  graph::HeteroGraph graph_;
  HgnnForward<S> forward_;
  LinkBatcher batcher_;
  std::vector<LinkBatch> batches_;  // the step's, and the one that is made meanwhile
  LossMeter<S> meter_;

  // Of one step, reused by the next.
  IndexList<S> anchor_rows_, positive_rows_, repeated_rows_, negative_rows_, column_rows_;
  Uploaded<NodeId, S> target_;
  Uploaded<float, S> log_q_, count_;
  Matrix<float, S> grad_;
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
