#include "pooled_history.hpp"

#include <algorithm>
#include <cmath>

#include <relweave/ops/gather_rows/gather_rows.hpp>

namespace relweave::model {

PooledHistory::PooledHistory(graph::ItemTypes const& types, std::int32_t max_history,
                             double weak_weight, std::int64_t user_feature_count)
    : type_offsets_(types.offsets),
      max_history_(max_history),
      weak_weight_(static_cast<float>(weak_weight)),
      user_feature_count_(user_feature_count),
      totals_(types.names.size()) {}

std::size_t PooledHistory::type_of(NodeId item) const {
  return static_cast<std::size_t>(
      std::upper_bound(type_offsets_.begin(), type_offsets_.end(), std::int64_t{item}) -
      type_offsets_.begin() - 1);
}

void PooledHistory::build(Histories const& source, VectorView<std::int64_t const> time,
                          std::span<HistoryRow const> rows, MatrixView<float const> user_features) {
  auto const types = static_cast<std::int64_t>(totals_.size());
  extra_.reset(std::ssize(rows), extra_features(types, user_feature_count_));
  offsets_.assign(1, 0);
  rows_.clear();
  weights_.clear();
  items_.clear();
  std::size_t entries = 0;
  for (HistoryRow const& row : rows) {
    entries += static_cast<std::size_t>(std::min<std::int64_t>(row.end - row.begin, max_history_));
  }
  positions_.clear(entries);

  for (std::size_t r = 0; r < rows.size(); ++r) {
    collect(source, time, rows[r]);
    float* const extra = extra_.view().row_data(static_cast<std::int64_t>(r));
    for (std::size_t t = 0; t < totals_.size(); ++t) {
      extra[t] = totals_[t] > 0 ? 1.0F : 0.0F;
      extra[totals_.size() + t] = std::log1p(totals_[t]);
    }
    float* const own = extra + 2 * types;
    if (rows[r].user >= 0 && !user_features.empty()) {
      std::copy_n(user_features.row_data(rows[r].user), user_feature_count_, own);
    } else {
      std::fill_n(own, user_feature_count_, 0.0F);
    }
  }
  compact();
}

void PooledHistory::collect(Histories const& source, VectorView<std::int64_t const> time,
                            HistoryRow const& row) {
  std::fill(totals_.begin(), totals_.end(), 0.0F);
  auto const first = static_cast<std::size_t>(offsets_.back());
  std::int32_t taken = 0;
  for (std::int64_t e = row.end - 1; e >= row.begin && taken < max_history_ && !row.hidden; --e) {
    if (!time.empty() && time[e] < row.since) {
      break;
    }
    NodeId const item = source.items[e];
    if (item == row.skip) {
      continue;
    }
    ++taken;
    bool const strong = source.strong.empty() || source.strong[e] != 0;
    float const weight = strong ? 1.0F : weak_weight_;
    if (weight == 0) {
      continue;
    }
    totals_[type_of(item)] += weight;
    rows_.push_back(item);
    weights_.push_back(weight);
    if (positions_.insert(item)) {
      items_.push_back(item);
    }
  }
  for (std::size_t e = first; e < rows_.size(); ++e) {
    weights_[e] /= totals_[type_of(rows_[e])];
  }
  offsets_.push_back(std::ssize(rows_));
}

void PooledHistory::compact() {
  std::sort(items_.begin(), items_.end());
  for (std::size_t p = 0; p < items_.size(); ++p) {
    positions_[items_[p]] = static_cast<NodeId>(p);
  }
  for (NodeId& row : rows_) {
    row = positions_[row];
  }
  group_offsets_.clear();
  for (std::int64_t const offset : type_offsets_) {
    group_offsets_.push_back(std::lower_bound(items_.begin(), items_.end(), offset) -
                             items_.begin());
  }
}

template <Space S>
nn::PooledInput<float, S> PooledBatch<S>::gather(Context<S> const& ctx,
                                                 PooledHistory const& history,
                                                 MatrixView<float const, S> vectors) {
  [[maybe_unused]] auto const guard = make_current(ctx);
  items_.set(ctx, history.items());
  table_.reset(history.items().size, vectors.cols);
  ops::gather_rows<float>(ctx, vectors, items_.view(), table_.view());
  MatrixView<float const> const extra = history.extra();
  extra_.set(ctx, {extra.data, extra.rows * extra.cols});
  auto const segments = [&]() -> typename nn::PooledInput<float, S>::Segments {
    if constexpr (S == Space::host) {
      return history.segments();
    } else {
      segments_.upload(ctx, history.segments(), table_.rows());
      return segments_;
    }
  };
  return {.table = table_.view(),
          .group_offsets = history.group_offsets(),
          .segments = segments(),
          .extra = {extra_.view().data, extra.rows, extra.cols}};
}

template class PooledBatch<Space::host>;
template class PooledBatch<Space::device>;

}  // namespace relweave::model
