#pragma once

#include <cstdint>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

/// How well rankings find the items that users took: every item of the catalogue is ranked, none is
/// sampled. Score a block of users, `exclude` what they know, take `ranks`, and go on; memory is a
/// block of scores, never users x items. Results do not depend on blocks or threads.
/// Example: examples/cpp/train.cpp
namespace relweave::metrics {

/// Items of users side by side: those of user u are items[offsets[u] .. offsets[u + 1]).
struct ItemLists {
  VectorView<std::int64_t const> offsets;  // (users + 1)
  VectorView<NodeId const> items;

  /// The lists of some of the users, over the same items.
  ItemLists slice(std::int64_t first_user, std::int64_t users) const {
    return {.offsets = offsets.slice(first_user, users + 1), .items = items};
  }
};

/// Sets the scores (users, items) of what must not be shown to -infinity, which has no rank.
/// Throws ShapeError or IndexError for lists that do not fit the scores.
RELWEAVE_API void exclude(ItemLists const& excluded, MatrixView<float> scores);

/// Rank, from 0, of every relevant item: the number of items with a higher score, or with the same
/// score and a lower number.
/// Shapes:      scores (users, items); groups (items), or empty; out as relevant.items, of which
/// the
///              entries of these users are written
/// Groups:      an item is ranked among those of its own group (its type, say); none: among all
/// Cost:        items comparisons for each relevant item
/// Determinism: any_thread_count
/// Throws:      ShapeError or IndexError for lists that do not fit; ConfigError for a score that is
///              NaN or +infinity, or a relevant item that is excluded
RELWEAVE_API void ranks(HostContext const& ctx, MatrixView<float const> scores,
                        ItemLists const& relevant, VectorView<std::int32_t const> groups,
                        VectorView<std::int64_t> out);

/// What each user's ranking reaches, from 0 to 1; NaN for users without a relevant item. Kept by
/// user so that slices and paired comparisons can be made.
struct RankingMetrics {
  explicit RankingMetrics(std::int64_t users = 0)
      : hr(users), recall(users), ndcg(users), mrr(users) {}

  Buffer<double> hr;      ///< 1 if some relevant item is among the first k
  Buffer<double> recall;  ///< share of the relevant items among the first k
  Buffer<double> ndcg;    ///< sum over hits of 1 / log2(rank + 2), over the largest such sum
  Buffer<double> mrr;     ///< 1 / (rank + 1) of the first relevant item in the full ranking
};

/// Metrics of users whose relevant items have ranks[offsets[u] .. offsets[u + 1]). Any grouping of
/// ranks may stand for users: pairs of user and item type, say, with ranks inside the type.
/// Throws ShapeError for offsets that do not fit, ConfigError for k below 1 or a negative rank.
/// Source: NDCG with binary gains, Jarvelin and Kekalainen 2002 (doi:10.1145/582415.582418)
RELWEAVE_API RankingMetrics ranking_metrics(VectorView<std::int64_t const> offsets,
                                            VectorView<std::int64_t const> ranks, std::int64_t k);

/// Means over a slice of users.
struct RankingMeans {
  std::int64_t users = 0;
  double hr = 0, recall = 0, ndcg = 0, mrr = 0;
};

/// Means over the users whose `mask` is not 0 (all, if it is empty) and that have a relevant item.
/// Throws ShapeError for a mask of another length.
RELWEAVE_API RankingMeans mean_over(RankingMetrics const& metrics,
                                    VectorView<std::uint8_t const> mask = {});

/// Sets listed[i] to 1 for the items among the first k of some user's ranking, in the order that
/// `ranks` counts in; other entries stay as they are. scores (users, items), listed (items).
/// Throws ShapeError for another length, ConfigError for k below 1.
RELWEAVE_API void mark_listed(HostContext const& ctx, MatrixView<float const> scores,
                              std::int64_t k, VectorView<std::uint8_t> listed);

/// Share of the catalogue that is listed; 0 for an empty one.
RELWEAVE_API double coverage(VectorView<std::uint8_t const> listed);

}  // namespace relweave::metrics
