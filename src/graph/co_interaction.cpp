#include <relweave/graph/co_interaction.hpp>

#include <string>
#include <utility>

#include <relweave/core/error.hpp>

#include "capped_histories.hpp"
#include "pair_counts.hpp"

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
  if (log.user_count < 0) {
    raise<ConfigError>(here, "log.user_count", std::to_string(log.user_count), "at least 0");
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
  std::vector<Link> const links =
      strongest_links(ctx, cap_histories(ctx, log, config, own), types, config, own);
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
