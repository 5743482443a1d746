#include <relweave/graph/co_interaction.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>

#include "capped_histories.hpp"
#include "strongest_links.hpp"

namespace relweave::graph {

namespace {

constexpr std::string_view here = "co_interaction_links";

void check(InteractionLogView const& log, ItemTypes const& types,
           CoInteractionConfig const& config) {
  if (log.user.empty()) {
    raise<ConfigError>(here, "log", "no event", "at least one event");
  }
  expect_size(here, "log.item", log.item, log.user.size);
  expect_size(here, "log.time", log.time, log.user.size);
  if (!log.strong.empty()) {
    expect_size(here, "log.strong", log.strong, log.user.size);
  }
  types.check();
  if (types.offsets.back() != log.item_count) {
    raise<ShapeError>(here, "types", std::to_string(types.offsets.back()) + " items",
                      std::to_string(log.item_count) + " items, as in the log");
  }
  expect_indices(here, "log.user", log.user, log.user_count);
  expect_indices(here, "log.item", log.item, log.item_count);
  auto const at_least = [](std::string_view field, std::int64_t value, std::int64_t lowest) {
    if (value < lowest) {
      raise<ConfigError>("CoInteractionConfig", field, std::to_string(value),
                         "at least " + std::to_string(lowest));
    }
  };
  at_least("max_history", config.max_history, 2);
  at_least("window_seconds", config.window_seconds, 0);
  at_least("min_count", config.min_count, 1);
  at_least("top_neighbors", config.top_neighbors, 0);
}

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

/// Bounds of ranges of items with about the same number of pairs to count in each. Every range
/// needs a counter per item, so few pairs make few ranges.
std::vector<std::int64_t> balanced_ranges(CappedHistories const& histories) {
  std::int64_t const items = histories.item_count();
  std::vector<std::int64_t> work(static_cast<std::size_t>(items), 0);
  std::int64_t total = 1;  // no pair at all makes one range
  for (std::size_t e = 0; e < histories.item.size(); ++e) {
    std::int64_t const pairs = histories.offsets[static_cast<std::size_t>(histories.user[e]) + 1] -
                               static_cast<std::int64_t>(e);
    work[static_cast<std::size_t>(histories.item[e])] += pairs;
    total += pairs;
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

/// Counts the users of all pairs, the lower item of each pair owning it: no two tasks write to one
/// counter.
std::vector<Link> count_pairs(HostContext const& ctx, CappedHistories const& histories,
                              CoInteractionConfig const& config, CoInteractionReport& report) {
  auto const bounds = balanced_ranges(histories);
  auto const events = static_cast<double>(histories.item.size());
  auto const window = static_cast<std::uint64_t>(config.window_seconds);
  std::vector<std::vector<Link>> found(bounds.size() - 1);
  std::vector<CoInteractionReport> parts(bounds.size() - 1);
  parallel_for(ctx, std::ssize(found), [&](std::int64_t task) {
    auto const part = static_cast<std::size_t>(task);
    CoInteractionReport& own = parts[part];
    std::vector<std::int32_t> counter(static_cast<std::size_t>(histories.item_count()), 0);
    std::vector<NodeId> touched;
    for (std::int64_t i = bounds[part]; i < bounds[part + 1]; ++i) {
      for (std::int64_t o = histories.item_offsets[static_cast<std::size_t>(i)];
           o < histories.item_offsets[static_cast<std::size_t>(i) + 1]; ++o) {
        auto const e = static_cast<std::size_t>(histories.occurrences[static_cast<std::size_t>(o)]);
        auto const end = static_cast<std::size_t>(
            histories.offsets[static_cast<std::size_t>(histories.user[e]) + 1]);
        for (std::size_t other = e + 1; other < end; ++other) {  // items above i
          if (window > 0 && distance(histories.time[e], histories.time[other]) > window) {
            continue;
          }
          NodeId const j = histories.item[other];
          if (counter[static_cast<std::size_t>(j)]++ == 0) {
            touched.push_back(j);
          }
        }
      }
      std::sort(touched.begin(), touched.end());
      own.links_found += std::ssize(touched);
      for (NodeId const j : touched) {
        std::int64_t const count = std::exchange(counter[static_cast<std::size_t>(j)], 0);
        own.pairs += count;
        if (count < config.min_count) {
          ++own.below_min_count;
          continue;
        }
        double const degrees =
            static_cast<double>(histories.degree(i)) * static_cast<double>(histories.degree(j));
        found[part].push_back({.lower = static_cast<NodeId>(i),
                               .upper = j,
                               .count = count,
                               .weight = weight_of(config.weight, count, degrees, events)});
      }
      touched.clear();
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
  return links;
}

ItemLinks to_columns(std::vector<Link> const& links) {
  auto const n = std::ssize(links);
  ItemLinks result{.lower = Buffer<NodeId>(n),
                   .upper = Buffer<NodeId>(n),
                   .count = Buffer<std::int64_t>(n),
                   .weight = Buffer<float>(n)};
  for (std::int64_t k = 0; k < n; ++k) {
    Link const& link = links[static_cast<std::size_t>(k)];
    result.lower.view()[k] = link.lower;
    result.upper.view()[k] = link.upper;
    result.count.view()[k] = link.count;
    result.weight.view()[k] = link.weight;
  }
  return result;
}

}  // namespace

ItemLinks co_interaction_links(HostContext const& ctx, InteractionLogView const& log,
                               ItemTypes const& types, CoInteractionConfig const& config,
                               CoInteractionReport* report) {
  check(log, types, config);
  CoInteractionReport own;
  std::vector<Link> links;
  {
    CappedHistories const histories = cap_histories(ctx, log, config, own);
    links = count_pairs(ctx, histories, config, own);
  }
  if (config.top_neighbors > 0) {
    own.beyond_top = std::ssize(links);
    keep_strongest(ctx, types, config.top_neighbors, links);
    own.beyond_top -= std::ssize(links);
  }
  own.links = std::ssize(links);
  own.links_per_type_pair.assign(types.names.size() * types.names.size(), 0);
  for (Link const& link : links) {
    auto const a = static_cast<std::size_t>(index(types.type_of(link.lower)));
    auto const b = static_cast<std::size_t>(index(types.type_of(link.upper)));
    ++own.links_per_type_pair[a * types.names.size() + b];
  }
  if (report != nullptr) {
    *report = std::move(own);
  }
  return to_columns(links);
}

}  // namespace relweave::graph
