#include <relweave/graph/co_interaction.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <tuple>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/graph/builder.hpp>

namespace relweave::graph {

NodeTypeId ItemTypes::type_of(NodeId item) const {
  auto const after = std::upper_bound(offsets.begin(), offsets.end(), std::int64_t{item});
  return static_cast<NodeTypeId>(after - offsets.begin() - 1);
}

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
  if (types.offsets.empty() || types.offsets.back() != log.item_count) {
    raise<ShapeError>(here, "types",
                      std::to_string(types.offsets.empty() ? 0 : types.offsets.back()) + " items",
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

/// The capped history of every user without repeats, and the reverse: where each item occurs.
struct CappedHistories {
  std::vector<std::int64_t> offsets{0};  // (users + 1)
  std::vector<NodeId> item;
  std::vector<std::int64_t> time;
  std::vector<NodeId> user;
  std::vector<std::int64_t> item_offsets;  // (items + 1)
  std::vector<std::int64_t> occurrences;   // positions in `item`, grouped by item

  std::int64_t degree(NodeId i) const {
    auto const k = static_cast<std::size_t>(i);
    return item_offsets[k + 1] - item_offsets[k];
  }
};

CappedHistories cap_histories(InteractionLogView const& log, CoInteractionConfig const& config,
                              CoInteractionReport& report) {
  struct Event {
    std::int64_t time;
    NodeId item;
  };
  std::vector<std::int64_t> begin(static_cast<std::size_t>(log.user_count) + 1, 0);
  auto const used = [&](std::int64_t e) {
    return !config.strong_only || log.strong.empty() || log.strong[e] != 0;
  };
  report.events = log.user.size;
  for (std::int64_t e = 0; e < log.user.size; ++e) {
    ++begin[static_cast<std::size_t>(log.user[e]) + 1];
  }
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  std::vector<Event> events(static_cast<std::size_t>(log.user.size));
  auto end = begin;
  for (std::int64_t e = 0; e < log.user.size; ++e) {
    if (used(e)) {
      auto& next = end[static_cast<std::size_t>(log.user[e])];
      events[static_cast<std::size_t>(next++)] = {log.time[e], log.item[e]};
    } else {
      ++report.weak_left_out;
    }
  }

  CappedHistories result;
  std::vector<std::int64_t> last_user(static_cast<std::size_t>(log.item_count), -1);
  for (std::int64_t u = 0; u < log.user_count; ++u) {
    auto const first = events.begin() + begin[static_cast<std::size_t>(u)];
    auto const last = events.begin() + end[static_cast<std::size_t>(u)];
    std::sort(first, last, [](Event const& a, Event const& b) {
      return std::pair(a.time, a.item) > std::pair(b.time, b.item);  // most recent first
    });
    std::int64_t kept = 0;
    for (auto event = first; event != last; ++event) {
      auto& seen_by = last_user[static_cast<std::size_t>(event->item)];
      if (seen_by == u) {
        ++report.repeats_merged;
      } else if (kept == config.max_history) {
        ++report.over_cap;
      } else {
        seen_by = u;
        ++kept;
        result.item.push_back(event->item);
        result.time.push_back(event->time);
        result.user.push_back(static_cast<NodeId>(u));
      }
    }
    result.offsets.push_back(std::ssize(result.item));
    report.users += kept > 0 ? 1 : 0;
    report.single_item_users += kept == 1 ? 1 : 0;
  }

  result.item_offsets.assign(static_cast<std::size_t>(log.item_count) + 1, 0);
  for (NodeId const i : result.item) {
    ++result.item_offsets[static_cast<std::size_t>(i) + 1];
  }
  std::partial_sum(result.item_offsets.begin(), result.item_offsets.end(),
                   result.item_offsets.begin());
  auto next = result.item_offsets;
  result.occurrences.resize(result.item.size());
  for (std::size_t e = 0; e < result.item.size(); ++e) {
    auto& place = next[static_cast<std::size_t>(result.item[e])];
    result.occurrences[static_cast<std::size_t>(place++)] = static_cast<std::int64_t>(e);
  }
  return result;
}

struct Link {
  NodeId lower;
  NodeId upper;
  std::int64_t count;
  float weight = 0;
};

/// Counts the users of all pairs, the lower item of each pair owning it: no two tasks write to one
/// counter.
std::vector<Link> count_pairs(HostContext const& ctx, CappedHistories const& histories,
                              CoInteractionConfig const& config, CoInteractionReport& report) {
  constexpr std::int64_t items_per_task = 32;
  auto const items = std::ssize(histories.item_offsets) - 1;
  std::int64_t const tasks = (items + items_per_task - 1) / items_per_task;
  std::vector<std::vector<Link>> found(static_cast<std::size_t>(tasks));
  parallel_for(ctx, tasks, [&](std::int64_t task) {
    thread_local std::vector<std::int32_t> counter;  // zero between uses
    thread_local std::vector<NodeId> touched;
    if (std::ssize(counter) < items) {
      counter.resize(static_cast<std::size_t>(items), 0);
    }
    auto& links = found[static_cast<std::size_t>(task)];
    std::int64_t const last = std::min(items, (task + 1) * items_per_task);
    for (std::int64_t i = task * items_per_task; i < last; ++i) {
      for (std::int64_t o = histories.item_offsets[static_cast<std::size_t>(i)];
           o < histories.item_offsets[static_cast<std::size_t>(i) + 1]; ++o) {
        auto const e = static_cast<std::size_t>(histories.occurrences[static_cast<std::size_t>(o)]);
        auto const user = static_cast<std::size_t>(histories.user[e]);
        auto const end = static_cast<std::size_t>(histories.offsets[user + 1]);
        for (auto other = static_cast<std::size_t>(histories.offsets[user]); other < end; ++other) {
          NodeId const j = histories.item[other];
          if (j <= i ||
              (config.window_seconds > 0 &&
               std::abs(histories.time[other] - histories.time[e]) > config.window_seconds)) {
            continue;
          }
          if (counter[static_cast<std::size_t>(j)]++ == 0) {
            touched.push_back(j);
          }
        }
      }
      std::sort(touched.begin(), touched.end());
      for (NodeId const j : touched) {
        auto& count = counter[static_cast<std::size_t>(j)];
        links.push_back({.lower = static_cast<NodeId>(i), .upper = j, .count = count});
        count = 0;
      }
      touched.clear();
    }
  });
  std::vector<Link> links;
  for (auto const& part : found) {
    for (Link const& link : part) {
      report.pairs += link.count;
      ++report.links_found;
      if (link.count >= config.min_count) {
        links.push_back(link);
      } else {
        ++report.below_min_count;
      }
    }
  }
  return links;
}

void weigh(std::vector<Link>& links, CappedHistories const& histories, EdgeWeight weight) {
  auto const events = static_cast<double>(histories.item.size());
  for (Link& link : links) {
    auto const count = static_cast<double>(link.count);
    double const degrees = static_cast<double>(histories.degree(link.lower)) *
                           static_cast<double>(histories.degree(link.upper));
    double value = count;
    if (weight == EdgeWeight::cosine) {
      value = count / std::sqrt(degrees);
    } else if (weight == EdgeWeight::pmi) {
      constexpr double damping = 5;  // a pair seen once says little
      value = std::log(count * events / degrees) * (count / (count + damping));
    }
    link.weight = static_cast<float>(value);
  }
}

/// Marks the links that one of their ends keeps among its strongest of a neighbour type.
std::vector<bool> strongest(std::vector<Link> const& links, ItemTypes const& types,
                            std::int32_t top) {
  struct Half {
    NodeId item;
    NodeTypeId neighbor_type;
    float weight;
    NodeId neighbor;
    std::size_t link;
  };
  std::vector<Half> halves;
  halves.reserve(2 * links.size());
  for (std::size_t k = 0; k < links.size(); ++k) {
    Link const& l = links[k];
    halves.push_back({l.lower, types.type_of(l.upper), l.weight, l.upper, k});
    halves.push_back({l.upper, types.type_of(l.lower), l.weight, l.lower, k});
  }
  std::sort(halves.begin(), halves.end(), [](Half const& a, Half const& b) {
    return std::tuple(a.item, a.neighbor_type, -a.weight, a.neighbor) <
           std::tuple(b.item, b.neighbor_type, -b.weight, b.neighbor);
  });
  std::vector<bool> keep(links.size(), false);
  std::int32_t rank = 0;
  for (std::size_t h = 0; h < halves.size(); ++h) {
    bool const same = h > 0 && halves[h].item == halves[h - 1].item &&
                      halves[h].neighbor_type == halves[h - 1].neighbor_type;
    rank = same ? rank + 1 : 0;
    if (rank < top) {
      keep[halves[h].link] = true;
    }
  }
  return keep;
}

}  // namespace

ItemLinks co_interaction_links(HostContext const& ctx, InteractionLogView const& log,
                               ItemTypes const& types, CoInteractionConfig const& config,
                               CoInteractionReport* report) {
  check(log, types, config);
  CoInteractionReport own;
  CappedHistories const histories = cap_histories(log, config, own);
  std::vector<Link> links = count_pairs(ctx, histories, config, own);
  weigh(links, histories, config.weight);
  if (config.top_neighbors > 0) {
    auto const keep = strongest(links, types, config.top_neighbors);
    std::size_t kept = 0;
    for (std::size_t k = 0; k < links.size(); ++k) {
      if (keep[k]) {
        links[kept++] = links[k];
      }
    }
    own.beyond_top = static_cast<std::int64_t>(links.size() - kept);
    links.resize(kept);
  }

  auto const n = std::ssize(links);
  ItemLinks result{.lower = Buffer<NodeId>(n),
                   .upper = Buffer<NodeId>(n),
                   .count = Buffer<std::int64_t>(n),
                   .weight = Buffer<float>(n)};
  own.links = n;
  own.links_per_type_pair.assign(types.names.size() * types.names.size(), 0);
  for (std::int64_t k = 0; k < n; ++k) {
    Link const& link = links[static_cast<std::size_t>(k)];
    result.lower.view()[k] = link.lower;
    result.upper.view()[k] = link.upper;
    result.count.view()[k] = link.count;
    result.weight.view()[k] = link.weight;
    auto const a = static_cast<std::size_t>(index(types.type_of(link.lower)));
    auto const b = static_cast<std::size_t>(index(types.type_of(link.upper)));
    ++own.links_per_type_pair[a * types.names.size() + b];
  }
  if (report != nullptr) {
    *report = std::move(own);
  }
  return result;
}

Schema co_interaction_schema(ItemTypes const& types) {
  std::vector<Relation> relations;
  auto const n = static_cast<std::int32_t>(types.names.size());
  for (std::int32_t a = 0; a < n; ++a) {
    for (std::int32_t b = a; b < n; ++b) {
      relations.push_back({static_cast<NodeTypeId>(a), "co", static_cast<NodeTypeId>(b)});
      if (a != b) {
        relations.push_back({static_cast<NodeTypeId>(b), "co", static_cast<NodeTypeId>(a)});
      }
    }
  }
  return Schema(types.names, std::move(relations));
}

HeteroGraph link_graph(HostContext const& ctx, ItemTypes const& types, ItemLinks const& links) {
  Schema schema = co_interaction_schema(types);
  std::vector<std::int64_t> counts;
  for (std::size_t t = 0; t < types.names.size(); ++t) {
    counts.push_back(types.count(static_cast<NodeTypeId>(t)));
  }
  struct Edges {
    std::vector<NodeId> source, destination;
    std::vector<float> weight;
  };
  auto const n = types.names.size();
  std::vector<Edges> edges(n * n);  // by (source type, destination type)
  auto const add = [&](NodeId from, NodeId to, float weight) {
    auto const s = static_cast<std::size_t>(index(types.type_of(from)));
    auto const d = static_cast<std::size_t>(index(types.type_of(to)));
    Edges& e = edges[s * n + d];
    e.source.push_back(types.local(from));
    e.destination.push_back(types.local(to));
    e.weight.push_back(weight);
  };
  for (std::int64_t k = 0; k < links.lower.size(); ++k) {
    NodeId const lower = links.lower.view()[k];
    NodeId const upper = links.upper.view()[k];
    add(lower, upper, links.weight.view()[k]);
    if (lower != upper) {
      add(upper, lower, links.weight.view()[k]);
    }
  }
  HeteroGraphBuilder builder(schema, std::move(counts));
  for (std::int32_t r = 0; r < schema.relation_count(); ++r) {
    auto const id = static_cast<RelationId>(r);
    Relation const& relation = schema.relation(id);
    Edges const& e = edges[static_cast<std::size_t>(index(relation.source)) * n +
                           static_cast<std::size_t>(index(relation.destination))];
    builder.add_edges(id, {e.source.data(), std::ssize(e.source)},
                      {e.destination.data(), std::ssize(e.destination)},
                      {e.weight.data(), std::ssize(e.weight)});
  }
  return builder.build(ctx);
}

}  // namespace relweave::graph
