#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/model/recommender.hpp>

#include "input_checks.hpp"
#include "serving_copies.hpp"
#include "sorted_log.hpp"
#include "uploaded.hpp"

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

/// The result of a space in the caller's memory, once it is made.
template <Space S>
void read_back(Context<S> const& ctx, MatrixView<float const, S> from, MatrixView<float> to) {
  copy(ctx, from, to);
  if constexpr (S == Space::device) {
    synchronize(ctx);
  }
}

template <typename T>
T const* pointer_to(std::optional<T> const& value) {
  return value ? &*value : nullptr;
}

/// Users' vectors and searches where the context says, for results on the host.
template <AnyContext C>
class Server;

template <>
class Server<HostContext> {
 public:
  enum class Index { towers, general };

  Server(HostContext const& ctx, ServingCopies&, Matrix<float> const& general_vectors,
         retrieval::ExactIndex const* index, retrieval::ExactIndex const* general_index)
      : ctx_(ctx), vectors_(general_vectors), index_(index), general_index_(general_index) {}

  MatrixView<float const> user_vectors(TwoTower const& towers, Histories const& histories,
                                       graph::ItemTypes const& types,
                                       MatrixView<float const> user_features) {
    users_.reset(histories.offsets.size - 1, towers.out_features());
    towers.user_vectors(ctx_, histories, types, vectors_.view(), user_features, users_.view());
    return users_.view();
  }
  void search(Index which, MatrixView<float const> queries, std::int64_t k,
              retrieval::SearchOptions const& options, MatrixView<NodeId> indices,
              MatrixView<float> scores) const {
    auto const* const index = which == Index::towers ? index_ : general_index_;
    index->search(ctx_, queries, k, options, indices, scores);
  }
  void scores(MatrixView<float const> queries, MatrixView<float> out) const {
    index_->scores(ctx_, queries, out);
  }

 private:
  HostContext const& ctx_;
  Matrix<float> const& vectors_;
  retrieval::ExactIndex const* index_;
  retrieval::ExactIndex const* general_index_;
  Matrix<float> users_;
};

template <>
class Server<CudaContext> {
 public:
  enum class Index { towers, general };

  Server(CudaContext const& ctx, ServingCopies& copies, Matrix<float> const& general_vectors,
         retrieval::ExactIndex const* index, retrieval::ExactIndex const* general_index)
      : own_(ctx), ctx_(own_.ctx()), guard_(ctx.device), copy_(copies.on(ctx.device, [&] {
          return std::make_shared<ServingCopy const>(ctx_, general_vectors.view(), index,
                                                     general_index);
        })) {}

  MatrixView<float const, Space::device> user_vectors(TwoTower const& towers,
                                                      Histories const& histories,
                                                      graph::ItemTypes const& types,
                                                      MatrixView<float const> user_features) {
    users_.reset(histories.offsets.size - 1, towers.out_features());
    towers.user_vectors(ctx_, histories, types, copy_->general_vectors.view(), user_features,
                        users_.view());
    return users_.view();
  }
  void search(Index which, MatrixView<float const, Space::device> queries, std::int64_t k,
              retrieval::SearchOptions const& options, MatrixView<NodeId> indices,
              MatrixView<float> scores) {
    auto const& index = which == Index::towers ? *copy_->index : *copy_->general_index;
    indices_.reset(queries.rows, k);
    scores_.reset(queries.rows, k);
    index.search(ctx_, queries, k, options, indices_.view(), scores_.view());
    copy(ctx_, indices_.view(), indices);
    copy(ctx_, scores_.view(), scores);
    synchronize(ctx_);
  }
  void scores(MatrixView<float const, Space::device> queries, MatrixView<float> out) {
    scores_.reset(out.rows, out.cols);
    copy_->index->scores(ctx_, queries, scores_.view());
    copy(ctx_, scores_.view(), out);
    synchronize(ctx_);
  }

 private:
  WithWorkspace<Space::device> own_;
  CudaContext ctx_;
  DeviceGuard guard_;
  std::shared_ptr<ServingCopy const> copy_;
  Matrix<float, Space::device> users_, scores_;
  Matrix<NodeId, Space::device> indices_;
};

}  // namespace

template <AnyContext C>
void Recommender::recommend(C const& ctx, Histories const& histories,
                            MatrixView<float const> user_features, RecommendOptions const& options,
                            MatrixView<NodeId> indices, MatrixView<float> scores) const {
  constexpr std::string_view here = "Recommender.recommend";
  expect_context(here, ctx);
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

  Server<C> server(ctx, *copies_, general_vectors_, pointer_to(index_), pointer_to(general_index_));
  for (std::int64_t begin = 0; begin < n; begin += serving_users) {
    std::int64_t const count = std::min(serving_users, n - begin);
    HistoryBatch batch;
    for (std::int64_t u = begin; u < begin + count; ++u) {
      batch.add(histories, u);
    }
    HistoryBatch const pooled = batch.below(static_cast<NodeId>(types_.offsets.back()));
    auto const vectors = server.user_vectors(
        towers_, pooled.view(), types_,
        user_features.empty() ? user_features : user_features.row_slice(begin, count));
    retrieval::SearchOptions search{.allowed_types = options.types,
                                    .allowed_items = options.allowed};
    if (options.exclude_seen) {
      search.excluded_offsets = batch.view().offsets;
      search.excluded_items = batch.view().items;
    }
    server.search(Server<C>::Index::towers, vectors, options.k, search,
                  indices.row_slice(begin, count), scores.row_slice(begin, count));
  }
}

template <AnyContext C>
void Recommender::recommend_users(C const& ctx, VectorView<NodeId const> users,
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

template <AnyContext C>
std::vector<ScoredItem> Recommender::recommend(C const& ctx, std::span<NodeId const> history,
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

template <AnyContext C>
void Recommender::score(C const& ctx, Histories const& histories,
                        MatrixView<float const> user_features, MatrixView<float> out) const {
  constexpr std::string_view here = "Recommender.score";
  expect_context(here, ctx);
  expect_fitted(here);
  expect_histories(here, histories, index_->size());
  std::int64_t const n = histories.offsets.size - 1;
  expect_shape(here, "out", out, n, index_->size());
  if (!user_features.empty()) {
    expect_shape(here, "user_features", user_features, n, user_features_.cols());
  }
  HistoryBatch batch;
  for (std::int64_t u = 0; u < n; ++u) {
    batch.add(histories, u);
  }
  HistoryBatch const pooled = batch.below(static_cast<NodeId>(types_.offsets.back()));
  Server<C> server(ctx, *copies_, general_vectors_, pointer_to(index_), pointer_to(general_index_));
  server.scores(server.user_vectors(towers_, pooled.view(), types_, user_features), out);
}

template <AnyContext C>
void Recommender::score_users(C const& ctx, VectorView<NodeId const> users,
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
  score(ctx, batch.view(), features.view(), out);
}

template <AnyContext C>
void Recommender::similar_items(C const& ctx, VectorView<NodeId const> items, std::int64_t k,
                                MatrixView<NodeId> indices, MatrixView<float> scores) const {
  constexpr std::string_view here = "Recommender.similar_items";
  expect_context(here, ctx);
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
  Server<C> server(ctx, *copies_, general_vectors_, pointer_to(index_), pointer_to(general_index_));
  Resident<float, space_of<C>> const there(ctx, queries.view());
  server.search(
      Server<C>::Index::general, there.view(), k,
      {.excluded_offsets = {offsets.data(), std::ssize(offsets)}, .excluded_items = items}, indices,
      scores);
}

template <AnyContext C>
void Recommender::embed_items(C const& ctx, VectorView<NodeTypeId const> new_types,
                              MatrixView<float const> new_features, NewItemLinks const& links,
                              MatrixView<float> general, MatrixView<float> tower) const {
  constexpr std::string_view here = "Recommender.embed_items";
  expect_context(here, ctx);
  expect_fitted(here);
  expect_shape(here, "new_features", new_features, new_types.size, item_features_.cols());
  expect_features(here, "new_features", new_features);
  expect_shape(here, "general", general, new_types.size, general_vectors_.cols());
  expect_shape(here, "tower", tower, new_types.size, towers_.out_features());
  constexpr Space S = space_of<C>;
  [[maybe_unused]] auto const guard = make_current(ctx);
  Resident<float, S> const features(ctx, new_features);
  Matrix<float, S> vectors(general.rows, general.cols);
  if (config_.use_hgnn) {
    Resident<float, S> const catalogue(ctx, item_features_.view());
    hgnn_.embed_new(ctx, types_, links_, catalogue.view(), new_types, features.view(), links,
                    vectors.view());
  } else {
    copy(ctx, features.view(), vectors.view());
  }
  Matrix<float, S> out(tower.rows, tower.cols);
  towers_.item_vectors(ctx, new_types, {.features = features.view(), .vectors = vectors.view()},
                       out.view());
  read_back<S>(ctx, vectors.view(), general);
  read_back<S>(ctx, out.view(), tower);
}

template <AnyContext C>
void Recommender::add_items(C const& ctx, VectorView<NodeTypeId const> new_types,
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
  io::Vocabulary items = items_;
  items.append(ids);
  std::vector<NodeTypeId> added_types = added_types_;
  added_types.insert(added_types.end(), new_types.begin(), new_types.end());
  std::vector<float> const bias(static_cast<std::size_t>(new_types.size), towers_.unseen_bias());
  auto copies = std::make_shared<ServingCopies>();
  index_->add(tower.view(), new_types, {bias.data(), std::ssize(bias)});

  items_ = std::move(items);
  added_types_ = std::move(added_types);
  copies_ = std::move(copies);
}

#define RELWEAVE_INSTANTIATE(C)                                                                 \
  template void Recommender::recommend(C const&, Histories const&, MatrixView<float const>,     \
                                       RecommendOptions const&, MatrixView<NodeId>,             \
                                       MatrixView<float>) const;                                \
  template void Recommender::recommend_users(C const&, VectorView<NodeId const>,                \
                                             RecommendOptions const&, MatrixView<NodeId>,       \
                                             MatrixView<float>) const;                          \
  template std::vector<ScoredItem> Recommender::recommend(C const&, std::span<NodeId const>,    \
                                                          std::int64_t) const;                  \
  template void Recommender::score(C const&, Histories const&, MatrixView<float const>,         \
                                   MatrixView<float>) const;                                    \
  template void Recommender::score_users(C const&, VectorView<NodeId const>, MatrixView<float>) \
      const;                                                                                    \
  template void Recommender::similar_items(C const&, VectorView<NodeId const>, std::int64_t,    \
                                           MatrixView<NodeId>, MatrixView<float>) const;        \
  template void Recommender::embed_items(C const&, VectorView<NodeTypeId const>,                \
                                         MatrixView<float const>, NewItemLinks const&,          \
                                         MatrixView<float>, MatrixView<float>) const;           \
  template void Recommender::add_items(C const&, VectorView<NodeTypeId const>,                  \
                                       MatrixView<float const>, NewItemLinks const&,            \
                                       io::Vocabulary const&)
RELWEAVE_INSTANTIATE(HostContext);
RELWEAVE_INSTANTIATE(CudaContext);

}  // namespace relweave::model
