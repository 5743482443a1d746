#include "link_selector.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace relweave::graph {

namespace {

constexpr double pmi_damping = 5;  // a pair seen once says little

bool stronger(Neighbor const& a, Neighbor const& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.item < b.item;
}

}  // namespace

LinkSelector::LinkSelector(Selection const& selection, std::int64_t buffer_bytes, LinkStore& store)
    : selection_(selection),
      store_(store),
      limit_(static_cast<std::size_t>(buffer_bytes) / sizeof(Link)),
      tops_(selection.types.names.size()) {
  links_.reserve(limit_);
  std::int64_t const top = selection.config.top_neighbors;
  for (std::size_t t = 0; t < tops_.size(); ++t) {
    std::int64_t const items = selection.types.count(static_cast<NodeTypeId>(t));
    tops_[t].neighbors.reserve(static_cast<std::size_t>(std::min(items, 2 * top)));
  }
}

void LinkSelector::take(NodeId i, NeighborCounts const& counts) {
  CoInteractionConfig const& config = selection_.config;
  auto const singles = std::ssize(counts.met()) - std::ssize(counts.repeated());
  found_.links_found += std::ssize(counts.met());
  found_.pairs += singles;
  found_.below_min_count += config.min_count > 1 ? singles : 0;
  auto const accept = [&](NodeId j, std::int32_t count) {
    if (config.top_neighbors == 0) {
      keep(i, {.weight = weight_of(i, j, count), .item = j, .count = count});
    } else if (Top& top = top_of(j); count >= top.lowest_count) {
      offer(i, top, j, count);
    }
  };
  // The highest counts first: they raise the bar for those who met once, which are most.
  for (NodeId const j : counts.repeated()) {
    std::int32_t const count = counts.of(j);
    found_.pairs += count;
    if (count >= config.min_count) {
      accept(j, count);
    } else {
      ++found_.below_min_count;
    }
  }
  bool const singles_may_be_kept =
      config.min_count == 1 && singles > 0 &&
      std::any_of(tops_.begin(), tops_.end(), [](Top const& t) { return t.lowest_count <= 1; });
  if (singles_may_be_kept) {
    for (NodeId const j : counts.met()) {
      if (counts.of(j) == 1) {
        accept(j, 1);
      }
    }
  }
  for (Top& top : tops_) {
    if (std::ssize(top.neighbors) > config.top_neighbors) {
      cut(i, top);
    }
    for (Neighbor const& neighbor : top.neighbors) {
      keep(i, neighbor);
    }
    top.neighbors.clear();
    top.lowest_count = 0;
  }
}

LinkSelector::Top& LinkSelector::top_of(NodeId j) {
  auto const& offsets = selection_.types.offsets;
  if (tops_.size() > 16) {
    return tops_[static_cast<std::size_t>(index(selection_.types.type_of(j)))];
  }
  std::size_t type = 0;  // without a branch that could be guessed wrong
  for (std::size_t t = 1; t < tops_.size(); ++t) {
    type += static_cast<std::size_t>(j >= offsets[t]);
  }
  return tops_[type];
}

void LinkSelector::offer(NodeId i, Top& top, NodeId j, std::int32_t count) {
  auto const limit = static_cast<std::size_t>(selection_.config.top_neighbors);
  Neighbor const neighbor{.weight = weight_of(i, j, count), .item = j, .count = count};
  if (top.neighbors.size() >= limit && !stronger(neighbor, top.weakest)) {
    return;
  }
  top.neighbors.push_back(neighbor);
  if (top.neighbors.size() == limit || top.neighbors.size() == 2 * limit) {
    cut(i, top);
  }
}

void LinkSelector::cut(NodeId i, Top& top) const {
  auto const last = top.neighbors.begin() + selection_.config.top_neighbors - 1;
  std::nth_element(top.neighbors.begin(), last, top.neighbors.end(), stronger);
  top.neighbors.erase(last + 1, top.neighbors.end());
  top.weakest = *last;
  top.lowest_count = lowest_count_for(i, top.weakest.weight);
}

float LinkSelector::weight_of(NodeId i, NodeId j, std::int32_t count) const {
  auto const c = static_cast<double>(count);
  auto const degree = [&](NodeId item) {
    return static_cast<double>(selection_.degrees[static_cast<std::size_t>(item)]);
  };
  switch (selection_.config.weight) {
    case EdgeWeight::cosine:
      return static_cast<float>(c / std::sqrt(degree(i) * degree(j)));
    case EdgeWeight::pmi: {
      double const ratio = c * static_cast<double>(selection_.events) / (degree(i) * degree(j));
      return static_cast<float>(std::log(ratio) * (c / (c + pmi_damping)));
    }
    case EdgeWeight::count:
      break;
  }
  return static_cast<float>(c);
}

/// The other item has at least as many users as the two share, which bounds the weight from above
/// for a count. So most counts are known to be too low without a look at the other item.
std::int32_t LinkSelector::lowest_count_for(NodeId i, float weight) const {
  double const w = static_cast<double>(weight) * (1 - 1e-6);  // more than all rounding
  if (w < 1e-6) {
    return 0;
  }
  auto const degree = static_cast<double>(selection_.degrees[static_cast<std::size_t>(i)]);
  double lowest = w;
  switch (selection_.config.weight) {
    case EdgeWeight::cosine:  // c / sqrt(degree * c) at most
      lowest = w * w * degree;
      break;
    case EdgeWeight::pmi: {  // log(events / degree) * c / (c + damping) at most
      double const share = w / std::log(static_cast<double>(selection_.events) / degree);
      lowest = share < 1 ? pmi_damping * share / (1 - share) : lowest;
      break;
    }
    case EdgeWeight::count:
      break;
  }
  constexpr double most = std::numeric_limits<std::int32_t>::max();
  return static_cast<std::int32_t>(std::min(std::ceil(lowest), most));
}

void LinkSelector::keep(NodeId i, Neighbor const& neighbor) {
  links_.push_back({.lower = std::min(i, neighbor.item),
                    .upper = std::max(i, neighbor.item),
                    .count = neighbor.count,
                    .weight = neighbor.weight});
  if (links_.size() == limit_) {
    flush();
  }
}

void LinkSelector::flush() {
  store_.add(links_);
  links_.clear();
}

void LinkSelector::finish(CoInteractionReport& report) {
  flush();
  report.pairs += found_.pairs;
  report.links_found += found_.links_found;
  report.below_min_count += found_.below_min_count;
}

}  // namespace relweave::graph
