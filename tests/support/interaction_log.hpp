#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include <relweave/core/random.hpp>
#include <relweave/graph/co_interaction.hpp>

namespace relweave::test {

struct Event {
  NodeId user;
  NodeId item;
  std::int64_t time;
  bool strong = true;
};

/// A log as columns.
struct Log {
  std::vector<NodeId> user, item;
  std::vector<std::int64_t> time;
  std::vector<std::uint8_t> strong;
  std::int64_t users = 0;
  std::int64_t items = 0;

  Log(std::vector<Event> const& events, std::int64_t user_count, std::int64_t item_count)
      : users(user_count), items(item_count) {
    for (Event const& e : events) {
      user.push_back(e.user);
      item.push_back(e.item);
      time.push_back(e.time);
      strong.push_back(e.strong ? 1 : 0);
    }
  }

  graph::InteractionLogView view() const {
    return {.user = {user.data(), std::ssize(user)},
            .item = {item.data(), std::ssize(item)},
            .time = {time.data(), std::ssize(time)},
            .strong = {strong.data(), std::ssize(strong)},
            .user_count = users,
            .item_count = items};
  }
};

struct Row {
  NodeId lower;
  NodeId upper;
  std::int64_t count;
  float weight;
  friend auto operator<=>(Row const&, Row const&) = default;
};

inline std::vector<Row> rows_of(graph::ItemLinks const& links) {
  std::vector<Row> rows;
  for (std::int64_t k = 0; k < links.lower.size(); ++k) {
    rows.push_back({links.lower.view()[k], links.upper.view()[k], links.count.view()[k],
                    links.weight.view()[k]});
  }
  return rows;
}

/// The definition, written as plainly as possible.
inline std::vector<Row> brute_force(std::vector<Event> const& events, graph::ItemTypes const& types,
                                    graph::CoInteractionConfig const& config) {
  std::map<NodeId, std::map<NodeId, std::int64_t>> latest;  // user -> item -> time
  for (Event const& e : events) {
    if (e.strong || !config.strong_only) {
      auto const [at, added] = latest[e.user].try_emplace(e.item, e.time);
      at->second = std::max(at->second, e.time);
    }
  }
  std::map<NodeId, double> degree;
  std::map<std::pair<NodeId, NodeId>, std::int64_t> count;
  double kept_events = 0;
  for (auto const& [user, items] : latest) {
    std::vector<std::pair<std::int64_t, NodeId>> history;
    for (auto const& [item, time] : items) {
      history.emplace_back(time, item);
    }
    std::sort(history.rbegin(), history.rend());
    history.resize(std::min(history.size(), static_cast<std::size_t>(config.max_history)));
    kept_events += static_cast<double>(history.size());
    for (auto const& [time_a, a] : history) {
      degree[a] += 1;
      for (auto const& [time_b, b] : history) {
        if (a < b &&
            (config.window_seconds == 0 || std::abs(time_a - time_b) <= config.window_seconds)) {
          ++count[{a, b}];
        }
      }
    }
  }
  std::vector<Row> rows;
  for (auto const& [pair, c] : count) {
    double const product = degree[pair.first] * degree[pair.second];
    auto const n = static_cast<double>(c);
    double const weight = config.weight == graph::EdgeWeight::count ? n
                          : config.weight == graph::EdgeWeight::cosine
                              ? n / std::sqrt(product)
                              : std::log(n * kept_events / product) * (n / (n + 5));
    if (c >= config.min_count) {
      rows.push_back({pair.first, pair.second, c, static_cast<float>(weight)});
    }
  }
  if (config.top_neighbors == 0) {
    return rows;
  }
  std::set<Row> kept;
  for (NodeId item = 0; item < types.offsets.back(); ++item) {
    for (std::int32_t t = 0; t < std::ssize(types.names); ++t) {
      std::vector<std::tuple<float, NodeId, Row>> neighbors;
      for (Row const& row : rows) {
        NodeId const other = row.lower == item ? row.upper : row.lower;
        if ((row.lower == item || row.upper == item) && index(types.type_of(other)) == t) {
          neighbors.emplace_back(-row.weight, other, row);
        }
      }
      std::sort(neighbors.begin(), neighbors.end());
      for (std::size_t k = 0; k < neighbors.size(); ++k) {
        if (k < static_cast<std::size_t>(config.top_neighbors)) {
          kept.insert(std::get<2>(neighbors[k]));
        }
      }
    }
  }
  return {kept.begin(), kept.end()};
}

/// Skewed items, clustered and repeated times, some before 1970, rows in no order.
inline std::vector<Event> random_events(std::int64_t count, std::int64_t users, std::int64_t items,
                                        std::uint64_t seed = 3) {
  std::vector<Event> events;
  RandomStream random(seed, Purpose::test, 0);
  for (std::int64_t e = 0; e < count; ++e) {
    double const skewed = random.uniform() * random.uniform();
    events.push_back({.user = static_cast<NodeId>(random.below(static_cast<std::uint32_t>(users))),
                      .item = static_cast<NodeId>(skewed * static_cast<double>(items)),
                      .time = static_cast<std::int64_t>(random.below(400)) * 3600 - 200 * 3600,
                      .strong = random.below(4) != 0});
  }
  return events;
}

inline graph::ItemTypes const three_types{.names = {"a", "b", "c"}, .offsets = {0, 20, 23, 60}};

}  // namespace relweave::test
