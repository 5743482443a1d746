#include "link_selector.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace relweave::graph {

namespace {

constexpr std::size_t ahead = 16;  // items that are looked up before their turn
constexpr double pmi_damping = 5;  // a pair seen once says little

bool stronger(Neighbor const& a, Neighbor const& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
}

}  // namespace

void Selection::learn_users() {
  lowest_users.resize(order.items.size());
  for (std::size_t t = 0; t < types.names.size(); ++t) {
    auto lowest = std::numeric_limits<std::int32_t>::max();
    for (auto i = static_cast<std::size_t>(types.offsets[t]);
         i < static_cast<std::size_t>(types.offsets[t + 1]); ++i) {
      lowest = std::min(lowest, order.items[i].users);
      lowest_users[i] = lowest;
    }
  }
}

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
  std::int64_t const singles = std::ssize(counts.met()) - std::ssize(counts.repeated());
  found_.links_found += std::ssize(counts.met());
  found_.pairs += singles;
  // The highest counts first: they raise the bar for those who met once, which are most.
  for (NodeId const j : counts.repeated()) {
    std::int32_t const count = counts.of(j);
    found_.pairs += count;
    if (count < config.min_count) {
      ++found_.below_min_count;
    } else if (std::size_t const type = type_of(j); count >= tops_[type].lowest_count) {
      offer(i, type, j, count);
    }
  }
  if (config.min_count > 1) {
    found_.below_min_count += singles;
  } else if (singles > 0) {
    take_singles(i, counts);
  }
  for (std::size_t type = 0; type < tops_.size(); ++type) {
    Top& top = tops_[type];
    if (std::ssize(top.neighbors) > config.top_neighbors) {
      cut(i, type);
    }
    for (Neighbor const& neighbor : top.neighbors) {
      keep(i, neighbor);
    }
    top.neighbors.clear();
    top.lowest_count = 0;
    top.first_single = 0;
  }
}

void LinkSelector::take_singles(NodeId i, NeighborCounts const& counts) {
  auto const met = counts.met();
  for (std::size_t k = 0; k < met.size(); ++k) {
    __builtin_prefetch(&selection_.order[met[std::min(k + ahead, met.size() - 1)]]);
    NodeId const j = met[k];
    std::size_t const type = type_of(j);
    if (j >= tops_[type].first_single && counts.of(j) == 1) {
      offer(i, type, j, 1);
    }
  }
}

std::size_t LinkSelector::type_of(NodeId j) const {
  auto const& offsets = selection_.types.offsets;
  if (tops_.size() > 16) {
    return static_cast<std::size_t>(index(selection_.types.type_of(j)));
  }
  std::size_t type = 0;  // without a branch that could be guessed wrong
  for (std::size_t t = 1; t < tops_.size(); ++t) {
    type += static_cast<std::size_t>(j >= offsets[t]);
  }
  return type;
}

void LinkSelector::offer(NodeId i, std::size_t type, NodeId j, std::int32_t count) {
  auto const limit = static_cast<std::size_t>(selection_.config.top_neighbors);
  Neighbor const neighbor{
      .weight = weight_of(i, j, count), .id = selection_.order[j].id, .count = count};
  if (limit == 0) {
    keep(i, neighbor);
    return;
  }
  Top& top = tops_[type];
  if (top.neighbors.size() >= limit && !stronger(neighbor, top.weakest)) {
    return;
  }
  top.neighbors.push_back(neighbor);
  if (top.neighbors.size() == limit || top.neighbors.size() == 2 * limit) {
    cut(i, type);
  }
}

void LinkSelector::cut(NodeId i, std::size_t type) {
  Top& top = tops_[type];
  auto const last = top.neighbors.begin() + selection_.config.top_neighbors - 1;
  std::nth_element(top.neighbors.begin(), last, top.neighbors.end(), stronger);
  top.neighbors.erase(last + 1, top.neighbors.end());
  top.weakest = *last;
  double const weight = static_cast<double>(top.weakest.weight) * (1 - 1e-6);  // above all rounding
  if (weight > 1e-6) {
    top.lowest_count = lowest_count_for(i, weight);
    auto const first = selection_.lowest_users.begin();
    auto const& offsets = selection_.types.offsets;
    auto const single = std::partition_point(
        first + offsets[type], first + offsets[type + 1],
        [most = most_users_for(i, weight)](std::int32_t users) { return users > most; });
    top.first_single = static_cast<NodeId>(single - first);
  }
}

double LinkSelector::users(NodeId item) const {
  return static_cast<double>(selection_.order[item].users);
}

float LinkSelector::weight_of(NodeId i, NodeId j, std::int32_t count) const {
  auto const c = static_cast<double>(count);
  switch (selection_.config.weight) {
    case EdgeWeight::cosine:
      return static_cast<float>(c / std::sqrt(users(i) * users(j)));
    case EdgeWeight::pmi: {
      double const ratio = c * static_cast<double>(selection_.events) / (users(i) * users(j));
      return static_cast<float>(std::log(ratio) * (c / (c + pmi_damping)));
    }
    case EdgeWeight::count:
      break;
  }
  return static_cast<float>(c);
}

/// The lowest count that may reach the weight. The other item has at least as many users as the two
/// share, so most counts are known to be too low without a look at it.
std::int32_t LinkSelector::lowest_count_for(NodeId i, double weight) const {
  double lowest = weight;
  switch (selection_.config.weight) {
    case EdgeWeight::cosine:  // c / sqrt(users * c) at most
      lowest = weight * weight * users(i);
      break;
    case EdgeWeight::pmi: {  // log(events / users) * c / (c + damping) at most
      double const share = weight / std::log(static_cast<double>(selection_.events) / users(i));
      lowest = share < 1 ? pmi_damping * share / (1 - share) : std::numeric_limits<double>::max();
      break;
    }
    case EdgeWeight::count:
      break;
  }
  constexpr double most = std::numeric_limits<std::int32_t>::max();
  return static_cast<std::int32_t>(std::min(std::ceil(lowest), most));
}

/// The most users of another item that may reach the weight with a count of one.
double LinkSelector::most_users_for(NodeId i, double weight) const {
  switch (selection_.config.weight) {
    case EdgeWeight::cosine:
      return 1 / (weight * weight * users(i));
    case EdgeWeight::pmi:
      return static_cast<double>(selection_.events) /
             (users(i) * std::exp(weight * (1 + pmi_damping)));
    case EdgeWeight::count:
      break;
  }
  return weight > 1 ? -1 : std::numeric_limits<double>::max();
}

void LinkSelector::keep(NodeId i, Neighbor const& neighbor) {
  NodeId const id = selection_.order[i].id;
  links_.push_back({.lower = std::min(id, neighbor.id),
                    .upper = std::max(id, neighbor.id),
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
