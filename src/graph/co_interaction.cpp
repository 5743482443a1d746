#include <relweave/graph/co_interaction.hpp>

#include <limits>
#include <new>
#include <string>
#include <utility>

#include <relweave/core/error.hpp>

#include "link_finder.hpp"

namespace relweave::graph {

namespace {

constexpr std::string_view here = "co_interaction_links";

/// Allocates nothing, not even its text.
class NoRoom : public std::bad_alloc {
 public:
  char const* what() const noexcept override {
    return "co_interaction_links: memory: got less than the item graph takes, expected room for "
           "it. Set memory_limit of the graph to less than is free: the rest goes through files.";
  }
};

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
  constexpr std::int64_t most_users = std::numeric_limits<NodeId>::max();
  if (log.user_count < 0 || log.user_count > most_users) {
    raise<ConfigError>(here, "log.user_count", std::to_string(log.user_count),
                       "0 to " + std::to_string(most_users));
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
  at_least("memory_limit", config.memory_limit, 0);
}

}  // namespace

ItemLinks co_interaction_links(HostContext const& ctx, InteractionLogView const& log,
                               ItemTypes const& types, CoInteractionConfig const& config,
                               CoInteractionReport* report, ProgressCallback const& progress) {
  check(log, types, config);
  CoInteractionReport own;
  try {
    ItemLinks links = find_links(ctx, log, types, config, own, progress);
    if (report != nullptr) {
      *report = std::move(own);
    }
    return links;
  } catch (std::bad_alloc const&) {
    throw NoRoom();
  }
}

}  // namespace relweave::graph
