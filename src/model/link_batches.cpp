#include "link_batches.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <relweave/core/profile.hpp>
#include <relweave/core/random.hpp>
#include <relweave/sampling/negative.hpp>

namespace relweave::model {

namespace {

/// log share of every item among the ends of the links, counting each item at least once.
std::vector<float> log_popularity(graph::ItemLinks const& links, std::int64_t item_count) {
  std::vector<double> degree(static_cast<std::size_t>(item_count), 1.0);
  for (std::int64_t k = 0; k < links.lower.size(); ++k) {
    degree[static_cast<std::size_t>(links.lower.view()[k])] += 1;
    degree[static_cast<std::size_t>(links.upper.view()[k])] += 1;
  }
  double const total = std::accumulate(degree.begin(), degree.end(), 0.0);
  std::vector<float> result;
  for (double const d : degree) {
    result.push_back(static_cast<float>(std::log(d / total)));
  }
  return result;
}

/// Rows of the items, each `times` times.
void find_rows(IdMap& rows, VectorView<NodeId const> items, std::int64_t times,
               std::vector<NodeId>& out) {
  out.clear();
  for (NodeId const item : items) {
    out.insert(out.end(), static_cast<std::size_t>(times), rows[item]);
  }
}

VectorView<NodeId> flat(Matrix<NodeId>& m) {
  return {m.data(), m.rows() * m.cols()};
}

}  // namespace

LinkBatcher::LinkBatcher(HgnnConfig const& config, graph::ItemTypes const& types,
                         graph::ItemLinks const& links)
    : config_(config), links_(links), item_count_(types.offsets.back()) {
  if (config.loss == LinkLoss::sampled_softmax) {
    popularity_ = log_popularity(links, item_count_);
  }
}

void LinkBatcher::make(HostContext const& ctx, VectorView<std::int64_t const> chosen,
                       std::int64_t step, LinkBatch& out) const {
  ProfileScope const profile("make_links");
  std::int64_t const b = chosen.size;
  out.anchors.reset(b);
  out.positives.reset(b);
  for (std::int64_t k = 0; k < b; ++k) {
    NodeId const lower = links_.lower.view()[chosen[k]];
    NodeId const upper = links_.upper.view()[chosen[k]];
    RandomStream random(config_.seed, Purpose::edge_flip,
                        static_cast<std::uint64_t>(step * config_.batch + k));
    bool const flip = random.next() % 2 == 1;
    out.anchors.view()[k] = flip ? upper : lower;
    out.positives.view()[k] = flip ? lower : upper;
  }
  bool const with_negatives = config_.loss == LinkLoss::margin;
  out.negatives.reset(with_negatives ? b : 0, config_.negatives);
  if (with_negatives) {
    sampling::uniform_negatives(ctx, config_.seed, static_cast<std::uint64_t>(step), item_count_,
                                out.negatives.view());
  }

  out.nodes.clear();
  out.rows.clear(static_cast<std::size_t>(2 * b + flat(out.negatives).size));
  for (VectorView<NodeId const> const items :
       {out.anchors.view(), out.positives.view(), flat(out.negatives)}) {
    for (NodeId const item : items) {
      if (out.rows.insert(item)) {
        out.nodes.push_back(item);
      }
    }
  }
  std::sort(out.nodes.begin(), out.nodes.end());
  for (std::size_t p = 0; p < out.nodes.size(); ++p) {
    out.rows[out.nodes[p]] = static_cast<NodeId>(p);
  }
  find_rows(out.rows, out.anchors.view(), 1, out.anchor_rows);
  if (with_negatives) {
    find_rows(out.rows, out.positives.view(), 1, out.positive_rows);
    find_rows(out.rows, out.anchors.view(), config_.negatives, out.repeated_rows);
    find_rows(out.rows, flat(out.negatives), 1, out.negative_rows);
  } else {
    choose_columns(out);
  }
}

void LinkBatcher::choose_columns(LinkBatch& out) const {
  auto const positives = out.positives.view();
  out.columns.assign(positives.begin(), positives.end());
  std::sort(out.columns.begin(), out.columns.end());
  out.columns.erase(std::unique(out.columns.begin(), out.columns.end()), out.columns.end());
  out.log_q.clear();
  for (NodeId const item : out.columns) {
    out.log_q.push_back(popularity_[static_cast<std::size_t>(item)]);
  }
  out.count.assign(out.columns.size(), 0.0F);
  out.target.clear();
  for (NodeId const item : positives) {
    auto const column =
        std::lower_bound(out.columns.begin(), out.columns.end(), item) - out.columns.begin();
    out.target.push_back(static_cast<NodeId>(column));
    out.count[static_cast<std::size_t>(column)] += 1;
  }
  find_rows(out.rows, {out.columns.data(), std::ssize(out.columns)}, 1, out.column_rows);
}

}  // namespace relweave::model
