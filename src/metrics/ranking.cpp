#include <relweave/metrics/ranking.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>

namespace relweave::metrics {

namespace {

constexpr float hidden = -std::numeric_limits<float>::infinity();

// Users of one task. A user costs as many comparisons as there are items, times relevant items.
constexpr std::int64_t users_per_task = 8;

void expect_k(std::string_view function, std::int64_t k) {
  if (k < 1) {
    raise<ConfigError>(function, "k", std::to_string(k), "at least 1");
  }
}

void expect_offsets(std::string_view function, std::string_view argument,
                    VectorView<std::int64_t const> offsets, std::int64_t entries) {
  if (offsets.empty() || offsets[0] < 0 || offsets[offsets.size - 1] > entries ||
      !std::is_sorted(offsets.begin(), offsets.end())) {
    raise<ShapeError>(function, argument, std::to_string(offsets.size) + " offsets",
                      "ascending offsets in [0, " + std::to_string(entries) + "]");
  }
}

void expect_lists(std::string_view function, std::string_view argument, ItemLists const& lists,
                  MatrixView<float const> scores) {
  expect_size(function, argument, lists.offsets, scores.rows + 1);
  expect_offsets(function, argument, lists.offsets, lists.items.size);
  std::int64_t const first = lists.offsets[0];
  expect_indices(function, argument, lists.items.slice(first, lists.offsets[scores.rows] - first),
                 scores.cols);
}

[[noreturn]] void refuse_score(float score, std::int64_t user, std::int64_t item,
                               std::string_view expected) {
  raise<ConfigError>("ranks", "scores",
                     std::to_string(score) + " for user " + std::to_string(user) + ", item " +
                         std::to_string(item),
                     expected);
}

/// The number of items in [begin, end) of group `group` with wins(score). Counted in chunks whose
/// 32-bit sums cannot overflow: 64-bit ones would halve the width of the loop.
template <typename Wins>
std::int64_t count(float const* scores, std::int32_t const* groups, std::int32_t group,
                   std::int64_t begin, std::int64_t end, Wins const& wins) {
  constexpr std::int64_t chunk = 1 << 16;
  std::int64_t total = 0;
  for (; begin < end; begin += chunk) {
    std::int64_t const stop = std::min(begin + chunk, end);
    std::int32_t some = 0;
    if (groups == nullptr) {
      for (std::int64_t i = begin; i < stop; ++i) {
        some += wins(scores[i]) ? 1 : 0;
      }
    } else {
      for (std::int64_t i = begin; i < stop; ++i) {
        some += (static_cast<int>(wins(scores[i])) & static_cast<int>(groups[i] == group));
      }
    }
    total += some;
  }
  return total;
}

}  // namespace

void exclude(ItemLists const& excluded, MatrixView<float> scores) {
  expect_lists("exclude", "excluded", excluded, scores);
  for (std::int64_t u = 0; u < scores.rows; ++u) {
    for (std::int64_t e = excluded.offsets[u]; e < excluded.offsets[u + 1]; ++e) {
      scores(u, excluded.items[e]) = hidden;
    }
  }
}

void ranks(HostContext const& ctx, MatrixView<float const> scores, ItemLists const& relevant,
           VectorView<std::int32_t const> groups, VectorView<std::int64_t> out) {
  constexpr std::string_view here = "ranks";
  expect_lists(here, "relevant", relevant, scores);
  if (!groups.empty()) {
    expect_size(here, "groups", groups, scores.cols);
  }
  expect_size(here, "out", out, relevant.items.size);
  std::int32_t const* const group_of = groups.empty() ? nullptr : groups.data;

  parallel_for_blocks(ctx, scores.rows, users_per_task, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t u = begin; u < end; ++u) {
      float const* const row = scores.row_data(u);
      for (std::int64_t i = 0; i < scores.cols; ++i) {
        if (!(row[i] <= std::numeric_limits<float>::max())) {
          refuse_score(row[i], u, i, "finite scores, or -infinity for what is not shown");
        }
      }
      for (std::int64_t e = relevant.offsets[u]; e < relevant.offsets[u + 1]; ++e) {
        NodeId const item = relevant.items[e];
        float const own = row[item];
        if (own == hidden) {
          refuse_score(own, u, item, "relevant items that are not excluded");
        }
        std::int32_t const group = group_of == nullptr ? 0 : group_of[item];
        // Ties go to the lower number.
        out[e] =
            count(row, group_of, group, 0, item, [own](float s) { return s >= own; }) +
            count(row, group_of, group, item + 1, scores.cols, [own](float s) { return s > own; });
      }
    }
  });
}

RankingMetrics ranking_metrics(VectorView<std::int64_t const> offsets,
                               VectorView<std::int64_t const> ranks, std::int64_t k) {
  constexpr std::string_view here = "ranking_metrics";
  expect_k(here, k);
  expect_offsets(here, "offsets", offsets, ranks.size);
  for (std::int64_t const rank : ranks) {
    if (rank < 0) {
      raise<ConfigError>(here, "ranks", std::to_string(rank), "ranks from 0");
    }
  }
  std::int64_t const users = offsets.size - 1;
  RankingMetrics result(users);
  std::vector<double> ideal{0};  // gain of the best ranking of n relevant items, n <= k
  for (std::int64_t u = 0; u < users; ++u) {
    auto const own = ranks.slice(offsets[u], offsets[u + 1] - offsets[u]);
    std::int64_t hits = 0;
    std::int64_t first = std::numeric_limits<std::int64_t>::max() - 1;
    double gain = 0;
    for (std::int64_t const rank : own) {
      first = std::min(first, rank);
      if (rank < k) {
        ++hits;
        gain += 1 / std::log2(static_cast<double>(rank) + 2);
      }
    }
    auto const reachable = static_cast<std::size_t>(std::min(own.size, k));
    while (ideal.size() <= reachable) {
      ideal.push_back(ideal.back() + 1 / std::log2(static_cast<double>(ideal.size()) + 1));
    }
    double const missing = own.empty() ? std::numeric_limits<double>::quiet_NaN() : 0;
    result.hr.data()[u] = missing + (hits > 0 ? 1 : 0);
    result.recall.data()[u] = missing + static_cast<double>(hits) / static_cast<double>(own.size);
    result.ndcg.data()[u] = missing + gain / ideal[reachable];
    result.mrr.data()[u] = missing + 1 / static_cast<double>(first + 1);
  }
  return result;
}

RankingMeans mean_over(RankingMetrics const& metrics, VectorView<std::uint8_t const> mask) {
  if (!mask.empty()) {
    expect_size("mean_over", "mask", mask, metrics.hr.size());
  }
  RankingMeans result;
  for (std::int64_t u = 0; u < metrics.hr.size(); ++u) {
    if ((mask.empty() || mask[u] != 0) && !std::isnan(metrics.hr.data()[u])) {
      ++result.users;
      result.hr += metrics.hr.data()[u];
      result.recall += metrics.recall.data()[u];
      result.ndcg += metrics.ndcg.data()[u];
      result.mrr += metrics.mrr.data()[u];
    }
  }
  auto const n = static_cast<double>(std::max<std::int64_t>(1, result.users));
  result.hr /= n;
  result.recall /= n;
  result.ndcg /= n;
  result.mrr /= n;
  return result;
}

void mark_listed(HostContext const& ctx, MatrixView<float const> scores, std::int64_t k,
                 VectorView<std::uint8_t> listed) {
  constexpr std::string_view here = "mark_listed";
  expect_k(here, k);
  expect_size(here, "listed", listed, scores.cols);
  parallel_for_blocks(ctx, scores.rows, users_per_task, [&](std::int64_t begin, std::int64_t end) {
    auto const mark = [&](std::int64_t item) {  // every task writes the same value
      std::atomic_ref(listed[item]).store(1, std::memory_order_relaxed);
    };
    std::vector<float> shown;
    for (std::int64_t u = begin; u < end; ++u) {
      auto const row = scores.row(u);
      shown.clear();
      std::copy_if(row.begin(), row.end(), std::back_inserter(shown),
                   [](float s) { return s > hidden; });
      float last = hidden;  // the score at place k; all that is shown is above, if less than k are
      std::int64_t ties = 0;
      if (std::ssize(shown) > k) {
        std::nth_element(shown.begin(), shown.begin() + (k - 1), shown.end(), std::greater{});
        last = shown[static_cast<std::size_t>(k - 1)];
        ties = k - std::count_if(row.begin(), row.end(), [&](float s) { return s > last; });
      }
      for (std::int64_t i = 0; i < row.size; ++i) {
        if (row[i] > last || (row[i] == last && ties-- > 0)) {
          mark(i);
        }
      }
    }
  });
}

double coverage(VectorView<std::uint8_t const> listed) {
  if (listed.empty()) {
    return 0;
  }
  auto const n = static_cast<double>(listed.size);
  return static_cast<double>(listed.size - std::count(listed.begin(), listed.end(), 0)) / n;
}

}  // namespace relweave::metrics
