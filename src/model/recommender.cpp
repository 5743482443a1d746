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

// What is built aside is moved in without errors.
static_assert(std::is_nothrow_move_assignable_v<Recommender>);

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
  next.adopt_general(next.general(ctx, next.links_));
  if (!next.hgnn_history_.interrupted) {
    next.tower_history_ = next.train_towers(ctx, next.towers_, next.log_->view(),
                                            next.user_features_.view(), progress);
    next.adopt_tower(next.tower(ctx, next.towers_, next.general_vectors_.view()));
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
  TrainingHistory history = train_towers(ctx, towers, sorted->view(), user_features, progress);
  auto features = Matrix<float>::copy_of(user_features);
  Searchable vectors = tower(ctx, towers, general_vectors_.view());
  auto catalogue = catalogue_ids();

  tower_history_ = std::move(history);
  towers_ = std::move(towers);
  log_ = std::move(sorted);
  users_ = std::move(users);
  user_features_ = std::move(features);
  adopt_tower(std::move(vectors));
  forget_added(std::move(catalogue));
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
  graph::ItemLinks links =
      graph::co_interaction_links(host_of(ctx), log, types_, config_.graph, &report, progress);
  Searchable vectors = general(ctx, links);
  Searchable tower_vectors = tower(ctx, towers_, vectors.vectors.view());
  auto catalogue = catalogue_ids();

  links_ = std::move(links);
  graph_report_ = std::move(report);
  adopt_general(std::move(vectors));
  adopt_tower(std::move(tower_vectors));
  forget_added(std::move(catalogue));
}

template <AnyContext C>
Recommender::Searchable Recommender::general(C const& ctx, graph::ItemLinks const& links) const {
  constexpr Space S = space_of<C>;
  if (!config_.use_hgnn) {
    return general(host_of(ctx), Matrix<float>::copy_of(item_features_.view()));
  }
  [[maybe_unused]] auto const guard = make_current(ctx);
  Resident<float, S> const features(ctx, item_features_.view());
  Matrix<float, S> vectors(types_.offsets.back(), hgnn_.out_features());
  hgnn_.embed(ctx, types_, links, features.view(), vectors.view());
  return general(host_of(ctx), to_host<float, S>(ctx, vectors.view()));
}

Recommender::Searchable Recommender::general(HostContext const& ctx, Matrix<float> vectors) const {
  Matrix<float> unit(vectors.rows(), vectors.cols());
  ops::row_normalize<float>(ctx, vectors.view(), unit.view());
  return {.vectors = std::move(vectors),
          .index = retrieval::ExactIndex(unit.view()),
          .copies = std::make_shared<ServingCopies>()};
}

void Recommender::adopt_general(Searchable next) noexcept {
  general_vectors_ = std::move(next.vectors);
  general_index_ = std::move(next.index);
  copies_ = std::move(next.copies);
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
Recommender::Searchable Recommender::tower(C const& ctx, TwoTower const& towers,
                                           MatrixView<float const> general_vectors) const {
  constexpr Space S = space_of<C>;
  [[maybe_unused]] auto const guard = make_current(ctx);
  auto const types = catalogue_types();
  Resident<float, S> const features(ctx, item_features_.view());
  Resident<float, S> const vectors(ctx, general_vectors);
  Matrix<float, S> out(std::ssize(types), towers.out_features());
  towers.item_vectors(ctx, {types.data(), std::ssize(types)},
                      {.features = features.view(), .vectors = vectors.view()}, out.view());
  return tower(towers, to_host<float, S>(ctx, out.view()));
}

Recommender::Searchable Recommender::tower(TwoTower const& towers, Matrix<float> vectors) const {
  auto const types = catalogue_types();
  retrieval::ExactIndex index(vectors.view(), {types.data(), std::ssize(types)},
                              towers.item_bias());
  return {.vectors = std::move(vectors),
          .index = std::move(index),
          .copies = std::make_shared<ServingCopies>()};
}

void Recommender::adopt_tower(Searchable next) noexcept {
  tower_vectors_ = std::move(next.vectors);
  index_ = std::move(next.index);
  copies_ = std::move(next.copies);
}

std::optional<io::Vocabulary> Recommender::catalogue_ids() const {
  if (added_types_.empty()) {
    return std::nullopt;
  }
  return first_ids(items_, types_.offsets.back());
}

void Recommender::forget_added(std::optional<io::Vocabulary> catalogue) noexcept {
  if (catalogue) {
    items_ = std::move(*catalogue);
  }
  added_types_.clear();
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
