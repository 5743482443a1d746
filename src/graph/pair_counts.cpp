#include "pair_counts.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include <relweave/core/parallel.hpp>

namespace relweave::graph {

namespace {

/// Defined for times that are further apart than a signed number holds.
std::uint64_t distance(std::int64_t a, std::int64_t b) {
  return static_cast<std::uint64_t>(std::max(a, b)) - static_cast<std::uint64_t>(std::min(a, b));
}

float weight_of(EdgeWeight weight, std::int64_t count, double degrees, double events) {
  auto const c = static_cast<double>(count);
  switch (weight) {
    case EdgeWeight::cosine:
      return static_cast<float>(c / std::sqrt(degrees));
    case EdgeWeight::pmi: {
      constexpr double damping = 5;  // a pair seen once says little
      return static_cast<float>(std::log(c * events / degrees) * (c / (c + damping)));
    }
    case EdgeWeight::count:
      break;
  }
  return static_cast<float>(c);
}

/// Bounds of ranges of items with about the same work in each. Every range needs a counter per
/// item, so little work makes few ranges.
std::vector<std::int64_t> balanced_ranges(CappedHistories const& histories) {
  std::int64_t const items = histories.item_count();
  std::vector<std::int64_t> work(static_cast<std::size_t>(items), 0);
  std::int64_t total = 1;  // no event at all makes one range
  for (std::size_t e = 0; e < histories.item.size(); ++e) {
    auto const user = static_cast<std::size_t>(histories.user[e]);
    std::int64_t const length = histories.offsets[user + 1] - histories.offsets[user];
    work[static_cast<std::size_t>(histories.item[e])] += length;
    total += length;
  }
  std::int64_t const ranges = std::clamp<std::int64_t>(total / (4 * items), 8, 256);
  std::vector<std::int64_t> bounds{0};
  std::int64_t done = 0;
  for (std::int64_t i = 0; i < items; ++i) {
    done += work[static_cast<std::size_t>(i)];
    if (done * ranges >= total * std::ssize(bounds) || i + 1 == items) {
      bounds.push_back(i + 1);
    }
  }
  return bounds;
}

/// Counts and selects the links of the items of one range. Each item counts its own neighbours: no
/// counter has two writers, and what an item keeps is known without storing all links.
class PairCounter {
 public:
  PairCounter(CappedHistories const& histories, ItemTypes const& types,
              CoInteractionConfig const& config)
      : histories_(histories),
        types_(types),
        config_(config),
        counter_(static_cast<std::size_t>(histories.item_count()), 0),
        by_type_(types.names.size()) {}

  void add_links_of(NodeId i, CoInteractionReport& report, std::vector<Link>& links) {
    count_neighbors(i);
    auto const events = static_cast<double>(histories_.item.size());
    for (NodeId const j : touched_) {
      std::int64_t const count = std::exchange(counter_[static_cast<std::size_t>(j)], 0);
      bool const enough = count >= config_.min_count;
      if (j > i) {  // the report counts each pair once
        report.pairs += count;
        ++report.links_found;
        report.below_min_count += enough ? 0 : 1;
      }
      if (enough) {
        double const degrees =
            static_cast<double>(histories_.degree(i)) * static_cast<double>(histories_.degree(j));
        by_type_[static_cast<std::size_t>(index(types_.type_of(j)))].push_back(
            {.lower = std::min(i, j),
             .upper = std::max(i, j),
             .count = count,
             .weight = weight_of(config_.weight, count, degrees, events)});
      }
    }
    touched_.clear();
    for (auto& neighbors : by_type_) {
      if (config_.top_neighbors > 0 && std::ssize(neighbors) > config_.top_neighbors) {
        auto const kept = neighbors.begin() + config_.top_neighbors;
        // Of two links of i, the one with the lower ends leads to the lower neighbour.
        std::nth_element(
            neighbors.begin(), kept, neighbors.end(), [](Link const& a, Link const& b) {
              return a.weight != b.weight ? a.weight > b.weight
                                          : std::tie(a.lower, a.upper) < std::tie(b.lower, b.upper);
            });
        neighbors.erase(kept, neighbors.end());
      }
      links.insert(links.end(), neighbors.begin(), neighbors.end());
      neighbors.clear();
    }
  }

 private:
  void count_neighbors(NodeId i) {
    auto const window = static_cast<std::uint64_t>(config_.window_seconds);
    for (std::int64_t o = histories_.item_offsets[static_cast<std::size_t>(i)];
         o < histories_.item_offsets[static_cast<std::size_t>(i) + 1]; ++o) {
      auto const e = static_cast<std::size_t>(histories_.occurrences[static_cast<std::size_t>(o)]);
      auto const user = static_cast<std::size_t>(histories_.user[e]);
      // Without pruning the lower item of a pair counts it for both; histories ascend by item.
      auto other =
          config_.top_neighbors > 0 ? static_cast<std::size_t>(histories_.offsets[user]) : e + 1;
      auto const end = static_cast<std::size_t>(histories_.offsets[user + 1]);
      for (; other < end; ++other) {
        if (other == e ||
            (window > 0 && distance(histories_.time[e], histories_.time[other]) > window)) {
          continue;
        }
        NodeId const j = histories_.item[other];
        if (counter_[static_cast<std::size_t>(j)]++ == 0) {
          touched_.push_back(j);
        }
      }
    }
  }

  CappedHistories const& histories_;
  ItemTypes const& types_;
  CoInteractionConfig const& config_;
  std::vector<std::int32_t> counter_;  // zero between items
  std::vector<NodeId> touched_;
  std::vector<std::vector<Link>> by_type_;
};

}  // namespace

std::vector<Link> strongest_links(HostContext const& ctx, CappedHistories const& histories,
                                  ItemTypes const& types, CoInteractionConfig const& config,
                                  CoInteractionReport& report) {
  auto const bounds = balanced_ranges(histories);
  std::vector<std::vector<Link>> found(bounds.size() - 1);
  std::vector<CoInteractionReport> parts(bounds.size() - 1);
  parallel_for(ctx, std::ssize(found), [&](std::int64_t task) {
    auto const part = static_cast<std::size_t>(task);
    PairCounter counter(histories, types, config);
    for (std::int64_t i = bounds[part]; i < bounds[part + 1]; ++i) {
      counter.add_links_of(static_cast<NodeId>(i), parts[part], found[part]);
    }
  });
  std::vector<Link> links;
  for (std::size_t part = 0; part < found.size(); ++part) {
    links.insert(links.end(), found[part].begin(), found[part].end());
    found[part] = {};
    report.pairs += parts[part].pairs;
    report.links_found += parts[part].links_found;
    report.below_min_count += parts[part].below_min_count;
  }
  auto const ends = [](Link const& link) { return std::pair(link.lower, link.upper); };
  std::sort(links.begin(), links.end(),
            [&](Link const& a, Link const& b) { return ends(a) < ends(b); });
  links.erase(std::unique(links.begin(), links.end(),
                          [&](Link const& a, Link const& b) { return ends(a) == ends(b); }),
              links.end());  // both ends keep it
  report.links = std::ssize(links);
  report.beyond_top = report.links_found - report.below_min_count - report.links;
  return links;
}

}  // namespace relweave::graph
