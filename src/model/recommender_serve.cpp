#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/model/recommender.hpp>

#include "input_checks.hpp"
#include "sorted_log.hpp"

namespace relweave::model {

namespace {

// Users ranked at once: bounds the memory of a bulk request.
constexpr std::int64_t serving_users = 4096;

/// Histories of some users of a log, copied side by side.
struct HistoryBatch {
  std::vector<std::int64_t> offsets{0};
  std::vector<NodeId> items;
  std::vector<std::uint8_t> strong;

  void add(Histories const& source, std::int64_t user) {
    for (std::int64_t e = source.offsets[user]; e < source.offsets[user + 1]; ++e) {
      items.push_back(source.items[e]);
      strong.push_back(source.strong.empty() ? std::uint8_t{1} : source.strong[e]);
    }
    offsets.push_back(std::ssize(items));
  }

  /// The same without items from `limit` on: those added after training have no place in the
  /// user tower's pooling until the next fit.
  HistoryBatch below(NodeId limit) const {
    HistoryBatch result;
    for (std::size_t u = 0; u + 1 < offsets.size(); ++u) {
      for (auto e = static_cast<std::size_t>(offsets[u]);
           e < static_cast<std::size_t>(offsets[u + 1]); ++e) {
        if (items[e] < limit) {
          result.items.push_back(items[e]);
          result.strong.push_back(strong[e]);
        }
      }
      result.offsets.push_back(std::ssize(result.items));
    }
    return result;
  }

  Histories view() const {
    return {.offsets = {offsets.data(), std::ssize(offsets)},
            .items = {items.data(), std::ssize(items)},
            .strong = {strong.data(), std::ssize(strong)}};
  }
};

}  // namespace

void Recommender::recommend(HostContext const& ctx, Histories const& histories,
                            MatrixView<float const> user_features, RecommendOptions const& options,
                            MatrixView<NodeId> indices, MatrixView<float> scores) const {
  constexpr std::string_view here = "Recommender.recommend";
  expect_fitted(here);
  expect_histories(here, histories, index_->size());
  std::int64_t const n = histories.offsets.size - 1;
  expect_shape(here, "indices", indices, n, options.k);
  expect_shape(here, "scores", scores, n, options.k);
  if (!user_features.empty()) {
    expect_shape(here, "user_features", user_features, n, user_features_.cols());
  }
  for (NodeTypeId const type : options.types) {
    if (index(type) < 0 || index(type) >= std::ssize(types_.names)) {
      raise<IndexError>(here, "options.types", std::to_string(index(type)),
                        "values in [0, " + std::to_string(types_.names.size()) + ")");
    }
  }

  Matrix<float> vectors;
  for (std::int64_t begin = 0; begin < n; begin += serving_users) {
    std::int64_t const count = std::min(serving_users, n - begin);
    HistoryBatch batch;
    for (std::int64_t u = begin; u < begin + count; ++u) {
      batch.add(histories, u);
    }
    vectors.reset(count, towers_.out_features());
    HistoryBatch const pooled = batch.below(static_cast<NodeId>(types_.offsets.back()));
    towers_.user_vectors(
        ctx, pooled.view(), types_, general_vectors_.view(),
        user_features.empty() ? user_features : user_features.row_slice(begin, count),
        vectors.view());
    retrieval::SearchOptions search{.allowed_types = options.types,
                                    .allowed_items = options.allowed};
    if (options.exclude_seen) {
      search.excluded_offsets = batch.view().offsets;
      search.excluded_items = batch.view().items;
    }
    index_->search(ctx, vectors.view(), options.k, search, indices.row_slice(begin, count),
                   scores.row_slice(begin, count));
  }
}

void Recommender::recommend_users(HostContext const& ctx, VectorView<NodeId const> users,
                                  RecommendOptions const& options, MatrixView<NodeId> indices,
                                  MatrixView<float> scores) const {
  constexpr std::string_view here = "Recommender.recommend_users";
  expect_fitted(here);
  expect_indices(here, "users", users, log_->user_count());
  expect_shape(here, "indices", indices, users.size, options.k);
  expect_shape(here, "scores", scores, users.size, options.k);
  for (std::int64_t begin = 0; begin < users.size; begin += serving_users) {
    auto const block = users.slice(begin, std::min(serving_users, users.size - begin));
    HistoryBatch batch;
    Matrix<float> features(user_features_.empty() ? 0 : block.size, user_features_.cols());
    for (std::int64_t k = 0; k < block.size; ++k) {
      batch.add(log_->histories(), block[k]);
      if (!user_features_.empty()) {
        std::copy_n(user_features_.view().row_data(block[k]), features.cols(),
                    features.view().row_data(k));
      }
    }
    recommend(ctx, batch.view(), features.view(), options, indices.row_slice(begin, block.size),
              scores.row_slice(begin, block.size));
  }
}

std::vector<ScoredItem> Recommender::recommend(HostContext const& ctx,
                                               std::span<NodeId const> history,
                                               std::int64_t k) const {
  if (k < 1) {
    raise<ConfigError>("Recommender.recommend", "k", std::to_string(k), "at least 1");
  }
  std::int64_t const offsets[] = {0, std::ssize(history)};
  std::vector<NodeId> indices(static_cast<std::size_t>(k));
  std::vector<float> scores(static_cast<std::size_t>(k));
  recommend(ctx,
            {.offsets = {offsets, 2}, .items = {history.data(), std::ssize(history)}, .strong = {}},
            {}, {.k = k}, {indices.data(), 1, k}, {scores.data(), 1, k});
  std::vector<ScoredItem> result;
  for (std::size_t i = 0; i < indices.size() && indices[i] >= 0; ++i) {
    result.push_back({.item = indices[i], .score = scores[i]});
  }
  return result;
}

void Recommender::score_users(HostContext const& ctx, VectorView<NodeId const> users,
                              MatrixView<float> out) const {
  constexpr std::string_view here = "Recommender.score_users";
  expect_fitted(here);
  expect_indices(here, "users", users, log_->user_count());
  expect_shape(here, "out", out, users.size, index_->size());
  HistoryBatch batch;
  Matrix<float> features(user_features_.empty() ? 0 : users.size, user_features_.cols());
  for (std::int64_t k = 0; k < users.size; ++k) {
    batch.add(log_->histories(), users[k]);
    if (!user_features_.empty()) {
      std::copy_n(user_features_.view().row_data(users[k]), features.cols(),
                  features.view().row_data(k));
    }
  }
  Matrix<float> vectors(users.size, towers_.out_features());
  towers_.user_vectors(ctx, batch.view(), types_, general_vectors_.view(), features.view(),
                       vectors.view());
  index_->scores(ctx, vectors.view(), out);
}

void Recommender::similar_items(HostContext const& ctx, VectorView<NodeId const> items,
                                std::int64_t k, MatrixView<NodeId> indices,
                                MatrixView<float> scores) const {
  constexpr std::string_view here = "Recommender.similar_items";
  if (!general_index_) {
    raise<ConfigError>(here, "model", "a model without item vectors", "a fitted model",
                       "Call fit first, or load a checkpoint.");
  }
  expect_indices(here, "items", items, general_vectors_.rows());
  Matrix<float> queries(items.size, general_vectors_.cols());
  std::vector<std::int64_t> offsets{0};  // every item excludes itself
  for (std::int64_t i = 0; i < items.size; ++i) {
    general_index_->copy_vectors(items[i], queries.view().row_slice(i, 1));
    offsets.push_back(i + 1);
  }
  general_index_->search(
      ctx, queries.view(), k,
      {.excluded_offsets = {offsets.data(), std::ssize(offsets)}, .excluded_items = items}, indices,
      scores);
}

void Recommender::embed_items(HostContext const& ctx, VectorView<NodeTypeId const> new_types,
                              MatrixView<float const> new_features, NewItemLinks const& links,
                              MatrixView<float> general, MatrixView<float> tower) const {
  constexpr std::string_view here = "Recommender.embed_items";
  expect_fitted(here);
  expect_shape(here, "new_features", new_features, new_types.size, item_features_.cols());
  expect_features(here, "new_features", new_features);
  expect_shape(here, "general", general, new_types.size, general_vectors_.cols());
  if (config_.use_hgnn) {
    hgnn_.embed_new(ctx, types_, links_, item_features_.view(), new_types, new_features, links,
                    general);
  } else {
    for (std::int64_t i = 0; i < general.rows; ++i) {
      std::copy_n(new_features.row_data(i), general.cols, general.row_data(i));
    }
  }
  towers_.item_vectors(ctx, new_types, {.features = new_features, .vectors = general}, tower);
}

void Recommender::add_items(HostContext const& ctx, VectorView<NodeTypeId const> new_types,
                            MatrixView<float const> new_features, NewItemLinks const& links,
                            io::Vocabulary const& ids) {
  constexpr std::string_view here = "Recommender.add_items";
  expect_fitted(here);
  if (ids.size() != new_types.size) {
    raise<ShapeError>(here, "ids", std::to_string(ids.size()) + " ids",
                      std::to_string(new_types.size) + ", one per item");
  }
  Matrix<float> general(new_types.size, general_vectors_.cols());
  Matrix<float> tower(new_types.size, towers_.out_features());
  embed_items(ctx, new_types, new_features, links, general.view(), tower.view());
  items_.append(ids);  // refuses ids that exist, before anything changed
  std::vector<float> const bias(static_cast<std::size_t>(new_types.size), towers_.unseen_bias());
  index_->add(tower.view(), new_types, {bias.data(), std::ssize(bias)});
  added_types_.insert(added_types_.end(), new_types.begin(), new_types.end());
}

}  // namespace relweave::model
