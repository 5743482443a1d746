#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include <relweave/graph/co_interaction.hpp>
#include <relweave/graph/synthetic.hpp>

using namespace relweave;

namespace {

/// Made-up logs of six item types. few_items: every item has many users. many_items: counters and
/// histories do not fit a processor's cache.
struct Shape {
  char const* name;
  std::int64_t users;
  std::int64_t items;  // of the largest type; each further type has half as many
  std::int64_t parts;  // of the memory in one of which the links still fit
};

constexpr Shape few_items{"few_items", 10'000, 2'000, 6};
constexpr Shape many_items{"many_items", 20'000, 100'000, 2};

graph::SyntheticLog const& log_of(Shape const& shape) {
  static std::map<std::string, graph::SyntheticLog> logs;
  auto const [at, added] = logs.try_emplace(shape.name);
  if (added) {
    graph::SyntheticLogConfig config{.users = shape.users,
                                     .type_names = {"a", "b", "c", "d", "e", "f"},
                                     .items_per_type = {},
                                     .tastes = 32,
                                     .mean_events = 100,
                                     .feature_count = 1};
    for (int t = 0; t < 6; ++t) {
      config.items_per_type.push_back(shape.items >> t);
    }
    at->second = graph::synthetic_log({}, config);
  }
  return at->second;
}

/// Pairs of different items of a user's history, summed over the users, with plain containers.
std::int64_t pairs_of(graph::SyntheticLog const& log, std::int64_t max_history) {
  std::int64_t pairs = 0;
  for (std::int64_t row = 0; row < log.user.size();) {
    NodeId const user = log.user.view()[row];
    std::set<NodeId> items;
    for (; row < log.user.size() && log.user.view()[row] == user; ++row) {
      items.insert(log.item.view()[row]);
    }
    std::int64_t const n = std::min(std::ssize(items), max_history);
    pairs += n * (n - 1) / 2;
  }
  return pairs;
}

/// With one of `part` parts of the memory that the work wants.
void build(benchmark::State& state, Shape const& shape, std::int64_t part) {
  HostContext const ctx{.threads = static_cast<int>(state.range(0))};
  auto const& log = log_of(shape);
  graph::CoInteractionConfig config{.top_neighbors = 2};
  graph::CoInteractionReport report;
  auto const step = [&] {
    return graph::co_interaction_links(ctx, log.view(), log.types, config, &report);
  };
  auto const expected = step();
  if (report.pairs != pairs_of(log, config.max_history)) {
    state.SkipWithError("differs from a count of the histories");
    return;
  }
  if (part > 1) {
    config.memory_limit = report.planned_bytes / part;
    auto const links = step();
    if (!std::equal(links.weight.data(), links.weight.data() + links.weight.size(),
                    expected.weight.data(), expected.weight.data() + expected.weight.size())) {
      state.SkipWithError("differs from the links without a limit");
      return;
    }
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(step());
  }
  auto const rate = benchmark::Counter::kIsIterationInvariantRate;
  state.counters["events/s"] = benchmark::Counter(static_cast<double>(report.events), rate);
  state.counters["pairs/s"] = benchmark::Counter(static_cast<double>(report.pairs), rate);
  state.counters["planned_MiB"] = static_cast<double>(report.planned_bytes) / (1 << 20);
  state.counters["spilled_MiB"] = static_cast<double>(report.spilled_bytes) / (1 << 20);
  state.counters["runs"] = static_cast<double>(report.runs);
}

[[maybe_unused]] bool const registered = [] {
  for (Shape const& shape : {few_items, many_items}) {
    for (auto const& [name, part] : {std::pair{"in_memory", 1L},
                                     {"half_of_memory", 2L},
                                     {"quarter_of_memory", 4L},
                                     {"sixth_of_memory", 6L}}) {
      if (part > shape.parts) {
        continue;
      }
      std::string const full = std::string("co_interaction/cpu/") + shape.name + "/" + name;
      benchmark::RegisterBenchmark(
          full.c_str(), [=, part = part](benchmark::State& state) { build(state, shape, part); })
          ->ArgName("threads")
          ->Arg(1)
          ->Arg(2)
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
  return true;
}();

}  // namespace
