#include <relweave/model/recommender.hpp>

#include <algorithm>
#include <string>
#include <type_traits>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/ops/row_normalize/row_normalize.hpp>

#include "input_checks.hpp"
#include "serving_copies.hpp"
#include "sorted_log.hpp"
#include "uploaded.hpp"

namespace relweave::model {

namespace {

void expect_data(TrainingData const& data) {
  constexpr std::string_view here = "Recommender.fit";
  data.types.check();
  std::int64_t const items = data.types.offsets.back();
  if (data.log.item_count != items) {
    raise<ShapeError>(here, "log.item_count", std::to_string(data.log.item_count),
                      std::to_string(items) + ", the number of items of all types");
  }
  if (data.item_features.rows != items || data.item_features.cols == 0) {
    raise<ShapeError>(here, "item_features",
                      "shape " + shape_string(data.item_features.rows, data.item_features.cols),
                      "shape (" + std::to_string(items) + ", d), one row per item");
  }
  expect_features(here, "item_features", data.item_features);
  if (!data.user_features.empty() && data.user_features.rows != data.log.user_count) {
    raise<ShapeError>(here, "user_features", std::to_string(data.user_features.rows) + " rows",
                      std::to_string(data.log.user_count) + " rows, one per user");
  }
  expect_features(here, "user_features", data.user_features);
  if (data.items.size() != items || data.users.size() != data.log.user_count) {
    raise<ShapeError>(here, "items, users",
                      std::to_string(data.items.size()) + " item ids and " +
                          std::to_string(data.users.size()) + " user ids",
                      std::to_string(items) + " and " + std::to_string(data.log.user_count));
  }
}

io::Vocabulary first_ids(io::Vocabulary const& ids, std::int64_t count) {
  auto const first = [count](auto const& all) {
    return io::Vocabulary(std::decay_t<decltype(all)>(all.begin(), all.begin() + count));
  };
  return ids.holds_integers() ? first(ids.integers()) : first(ids.strings());
}

}  // namespace

template <AnyContext C>
void Recommender::fit(C const& ctx, TrainingData data, ProgressCallback const& progress) {
  expect_context("Recommender.fit", ctx);
  expect_data(data);
  // Built aside and moved in at the end: an error leaves the model as it was.
  Recommender next(config_);
  next.log_ = std::make_shared<SortedLog const>(data.log);
  next.types_ = std::move(data.types);
  next.items_ = std::move(data.items);
  next.users_ = std::move(data.users);
  next.item_features_ = Matrix<float>::copy_of(data.item_features);
  next.user_features_ = Matrix<float>::copy_of(data.user_features);
  next.hgnn_ = Hgnn(config_.hgnn);
  next.towers_ = TwoTower(config_.towers);

  if (config_.use_hgnn) {
    next.links_ = graph::co_interaction_links(host_of(ctx), next.log_->view(), next.types_,
                                              config_.graph, &next.graph_report_, progress);
    Resident<float, space_of<C>> const features(ctx, next.item_features_.view());
    next.hgnn_history_ = next.hgnn_.fit(ctx, next.types_, next.links_, features.view(), progress);
  }
  next.set_general_vectors(ctx);
  if (!next.hgnn_history_.interrupted) {
    next.tower_history_ = next.train_towers(ctx, next.towers_, next.log_->view(),
                                            next.user_features_.view(), progress);
    next.build_index(ctx);
  }
  *this = std::move(next);
}

template <AnyContext C>
void Recommender::refit_towers(C const& ctx, graph::InteractionLogView const& log,
                               io::Vocabulary users, MatrixView<float const> user_features,
                               ProgressCallback const& progress) {
  constexpr std::string_view here = "Recommender.refit_towers";
  expect_context(here, ctx);
  expect_fitted(here);
  if (users.size() != log.user_count) {
    raise<ShapeError>(here, "users", std::to_string(users.size()) + " user ids",
                      std::to_string(log.user_count) + ", one per user of the log");
  }
  auto sorted = std::make_shared<SortedLog const>(log);
  TwoTower towers(config_.towers);
  tower_history_ = train_towers(ctx, towers, sorted->view(), user_features, progress);
  towers_ = std::move(towers);
  log_ = std::move(sorted);
  users_ = std::move(users);
  user_features_ = Matrix<float>::copy_of(user_features);
  build_index(ctx);
}

template <AnyContext C>
TrainingHistory Recommender::train_towers(C const& ctx, TwoTower& towers,
                                          graph::InteractionLogView const& log,
                                          MatrixView<float const> user_features,
                                          ProgressCallback const& progress) const {
  constexpr Space S = space_of<C>;
  [[maybe_unused]] auto const guard = make_current(ctx);
  Resident<float, S> const features(ctx, item_features_.view());
  Resident<float, S> const vectors(ctx, general_vectors_.view());
  Matrix<float, S> without_links;
  MatrixView<float const, S> cold = vectors.view();  // a text vector has no links to lose
  if (config_.use_hgnn && config_.towers.cold_items > 0) {
    without_links = Matrix<float, S>(cold.rows, cold.cols);
    hgnn_.embed(ctx, types_, {}, features.view(), without_links.view());
    cold = without_links.view();
  }
  return towers.fit(ctx, log, types_,
                    {.features = features.view(), .vectors = vectors.view(), .cold_vectors = cold},
                    user_features, progress);
}

template <AnyContext C>
void Recommender::refit_graph(C const& ctx, graph::InteractionLogView const& log,
                              ProgressCallback const& progress) {
  constexpr std::string_view here = "Recommender.refit_graph";
  expect_context(here, ctx);
  expect_fitted(here);
  if (!config_.use_hgnn) {
    raise<ConfigError>(here, "use_hgnn", "false", "a model with an HGNN");
  }
  graph::CoInteractionReport report;
  links_ = graph::co_interaction_links(host_of(ctx), log, types_, config_.graph, &report, progress);
  graph_report_ = std::move(report);
  set_general_vectors(ctx);
  build_index(ctx);
}

template <AnyContext C>
void Recommender::set_general_vectors(C const& ctx) {
  constexpr Space S = space_of<C>;
  if (config_.use_hgnn) {
    [[maybe_unused]] auto const guard = make_current(ctx);
    Resident<float, S> const features(ctx, item_features_.view());
    Matrix<float, S> vectors(types_.offsets.back(), hgnn_.out_features());
    hgnn_.embed(ctx, types_, links_, features.view(), vectors.view());
    general_vectors_ = to_host<float, S>(ctx, vectors.view());
  } else {
    general_vectors_ = Matrix<float>::copy_of(item_features_.view());
  }
  index_general(host_of(ctx));
}

void Recommender::index_general(HostContext const& ctx) {
  Matrix<float> unit(general_vectors_.rows(), general_vectors_.cols());
  ops::row_normalize<float>(ctx, general_vectors_.view(), unit.view());
  general_index_.emplace(unit.view());
  copies_ = std::make_shared<ServingCopies>();
}

std::vector<NodeTypeId> Recommender::catalogue_types() const {
  std::vector<NodeTypeId> result;
  for (std::size_t t = 0; t < types_.names.size(); ++t) {
    result.insert(result.end(), static_cast<std::size_t>(types_.offsets[t + 1] - types_.offsets[t]),
                  static_cast<NodeTypeId>(t));
  }
  return result;
}

template <AnyContext C>
void Recommender::build_index(C const& ctx) {
  constexpr Space S = space_of<C>;
  [[maybe_unused]] auto const guard = make_current(ctx);
  auto const types = catalogue_types();
  VectorView<NodeTypeId const> const type_view{types.data(), std::ssize(types)};
  Resident<float, S> const features(ctx, item_features_.view());
  Resident<float, S> const vectors(ctx, general_vectors_.view());
  Matrix<float, S> out(type_view.size, towers_.out_features());
  towers_.item_vectors(ctx, type_view, {.features = features.view(), .vectors = vectors.view()},
                       out.view());
  tower_vectors_ = to_host<float, S>(ctx, out.view());
  // Items that were added are not of this training: forget them with their ids.
  if (!added_types_.empty()) {
    items_ = first_ids(items_, types_.offsets.back());
    added_types_.clear();
  }
  index_towers();
}

void Recommender::index_towers() {
  auto const types = catalogue_types();
  index_.emplace(tower_vectors_.view(),
                 VectorView<NodeTypeId const>(types.data(), std::ssize(types)),
                 towers_.item_bias());
  copies_ = std::make_shared<ServingCopies>();
}

void Recommender::expect_fitted(std::string_view function) const {
  if (!index_) {
    raise<ConfigError>(function, "model", "a model without trained towers", "a fitted model",
                       "Call fit first, or load a checkpoint.");
  }
}

Histories Recommender::histories() const {
  return log_ ? log_->histories() : Histories{};
}

#define RELWEAVE_INSTANTIATE(C)                                                       \
  template void Recommender::fit(C const&, TrainingData, ProgressCallback const&);    \
  template void Recommender::refit_towers(C const&, graph::InteractionLogView const&, \
                                          io::Vocabulary, MatrixView<float const>,    \
                                          ProgressCallback const&);                   \
  template void Recommender::refit_graph(C const&, graph::InteractionLogView const&,  \
                                         ProgressCallback const&)
RELWEAVE_INSTANTIATE(HostContext);
RELWEAVE_INSTANTIATE(CudaContext);

Recommender load_checkpoint(std::filesystem::path const& directory) {
  return Recommender::load(directory);
}

}  // namespace relweave::model
