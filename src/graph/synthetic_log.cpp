#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <tuple>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/random.hpp>
#include <relweave/graph/synthetic.hpp>

#include "zipf.hpp"

namespace relweave::graph {

namespace {

constexpr std::string_view here = "SyntheticLogConfig";
constexpr std::int64_t rows_per_task = 64;

/// A stream for row `row` of one of the things that are made up.
enum class Part : std::uint64_t { item_taste, user, item_features, taste_center, type_center };
RandomStream stream(SyntheticLogConfig const& config, Part part, std::int64_t row) {
  return {config.seed, Purpose::synthetic,
          (static_cast<std::uint64_t>(part) << 40) | static_cast<std::uint64_t>(row)};
}

void check(SyntheticLogConfig const& config) {
  if (config.type_names.empty() || config.type_names.size() != config.items_per_type.size()) {
    raise<ShapeError>(here, "items_per_type",
                      std::to_string(config.items_per_type.size()) + " counts for " +
                          std::to_string(config.type_names.size()) + " names",
                      "one per type, and at least one type");
  }
  auto const in_range = [](std::string_view field, double value, double lowest, double highest) {
    if (!(value >= lowest && value <= highest)) {
      raise<ConfigError>(here, field, std::to_string(value),
                         std::to_string(lowest) + " to " + std::to_string(highest));
    }
  };
  constexpr double most = std::numeric_limits<NodeId>::max();
  double items = 0;
  for (std::int64_t const count : config.items_per_type) {
    in_range("items_per_type", static_cast<double>(count), 0, most);
    items += static_cast<double>(count);
  }
  in_range("items_per_type", items, 1, most);
  in_range("users", static_cast<double>(config.users), 1, most);
  in_range("tastes", static_cast<double>(config.tastes), 1, most);
  in_range("mean_events", config.mean_events, 1, 1e6);
  in_range("taste_strength", config.taste_strength, 0, 1);
  in_range("popularity_exponent", config.popularity_exponent, 0, 100);
  in_range("strong_share", config.strong_share, 0, 1);
  in_range("duration_seconds", static_cast<double>(config.duration_seconds), 1,
           std::numeric_limits<std::uint32_t>::max());
  in_range("feature_count", static_cast<double>(config.feature_count), 1, 1e6);
  in_range("feature_noise", config.feature_noise, 0, 1e6);
}

/// Bell-shaped with mean 0 and variance 1, from exact arithmetic: the same on every machine.
double bell(RandomStream& random) {
  double sum = 0;
  for (int k = 0; k < 12; ++k) {
    sum += random.uniform() - 0.5;
  }
  return sum;
}

/// A random direction, scaled to `length` in expectation.
std::vector<double> direction(RandomStream random, std::int64_t size, double length) {
  std::vector<double> v(static_cast<std::size_t>(size));
  for (double& x : v) {
    x = bell(random) * length / std::sqrt(static_cast<double>(size));
  }
  return v;
}

/// Items of one type and taste, most popular first.
struct Shelf {
  std::vector<NodeId> items;
  Zipf popularity;
};

std::vector<Shelf> stock(SyntheticLogConfig const& config, SyntheticLog& log) {
  std::vector<std::vector<NodeId>> items(static_cast<std::size_t>(config.tastes) *
                                         log.types.names.size());
  for (NodeId i = 0; i < log.types.offsets.back(); ++i) {
    auto const taste =
        stream(config, Part::item_taste, i).below(static_cast<std::uint32_t>(config.tastes));
    log.taste_of.push_back(static_cast<std::int32_t>(taste));
    auto const type = static_cast<std::size_t>(index(log.types.type_of(i)));
    items[type * static_cast<std::size_t>(config.tastes) + taste].push_back(i);
  }
  std::vector<Shelf> shelves;
  for (auto& shelf : items) {
    Zipf popularity(std::ssize(shelf), config.popularity_exponent);
    shelves.push_back({std::move(shelf), std::move(popularity)});
  }
  return shelves;
}

struct Event {
  std::int64_t time;
  NodeId item;
  std::uint8_t strong;
};

std::vector<Event> events_of_user(SyntheticLogConfig const& config, ItemTypes const& types,
                                  std::vector<Shelf> const& shelves, std::int64_t user) {
  RandomStream random = stream(config, Part::user, user);
  auto const tastes = static_cast<std::uint32_t>(config.tastes);
  std::uint32_t const own[] = {random.below(tastes), random.below(tastes)};
  // Preferences over types with items: shares of the catalogue, each times a random factor.
  std::vector<NodeTypeId> stocked;
  std::vector<double> preference;
  for (std::int32_t t = 0; t < std::ssize(types.names); ++t) {
    auto const share = static_cast<double>(types.count(static_cast<NodeTypeId>(t)));
    double const factor = 0.1 + random.uniform() * random.uniform();
    if (share > 0) {
      stocked.push_back(static_cast<NodeTypeId>(t));
      preference.push_back((preference.empty() ? 0 : preference.back()) + share * factor);
    }
  }
  auto const extra =
      static_cast<std::int64_t>(-(config.mean_events - 1) * std::log1p(-random.uniform()) + 0.5);
  std::vector<Event> events;
  while (std::ssize(events) <= extra) {
    auto const drawn = std::upper_bound(preference.begin(), preference.end(),
                                        random.uniform() * preference.back()) -
                       preference.begin();
    NodeTypeId const type =
        stocked[static_cast<std::size_t>(std::min(drawn, std::ssize(stocked) - 1))];
    bool const by_taste = random.uniform() < config.taste_strength;
    std::uint32_t const taste = by_taste ? own[random.below(3) == 0 ? 1 : 0] : random.below(tastes);
    Shelf const& shelf = shelves[static_cast<std::size_t>(index(type)) * tastes + taste];
    // A type may have no item of the taste: any other serves.
    NodeId const item =
        shelf.items.empty()
            ? static_cast<NodeId>(types.offsets[static_cast<std::size_t>(index(type))] +
                                  random.below(static_cast<std::uint32_t>(types.count(type))))
            : shelf.items[static_cast<std::size_t>(shelf.popularity(random))];
    events.push_back(
        {.time =
             config.first_time + random.below(static_cast<std::uint32_t>(config.duration_seconds)),
         .item = item,
         .strong = static_cast<std::uint8_t>(random.uniform() < config.strong_share ? 1 : 0)});
  }
  std::sort(events.begin(), events.end(), [](Event const& a, Event const& b) {
    return std::tuple(a.time, a.item, a.strong) < std::tuple(b.time, b.item, b.strong);
  });
  return events;
}

void make_features(HostContext const& ctx, SyntheticLogConfig const& config, SyntheticLog& log) {
  constexpr double type_length = 0.3;  // types tell themselves apart, less than tastes do
  std::vector<std::vector<double>> tastes;
  std::vector<std::vector<double>> types;
  for (std::int64_t k = 0; k < config.tastes; ++k) {
    tastes.push_back(direction(stream(config, Part::taste_center, k), config.feature_count, 1));
  }
  for (std::int64_t t = 0; t < std::ssize(config.type_names); ++t) {
    types.push_back(
        direction(stream(config, Part::type_center, t), config.feature_count, type_length));
  }
  log.features = Matrix<float>(log.types.offsets.back(), config.feature_count);
  parallel_for_blocks(
      ctx, log.features.rows(), rows_per_task, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          auto x = direction(stream(config, Part::item_features, i), config.feature_count,
                             config.feature_noise);
          auto const& taste =
              tastes[static_cast<std::size_t>(log.taste_of[static_cast<std::size_t>(i)])];
          auto const& type =
              types[static_cast<std::size_t>(index(log.types.type_of(static_cast<NodeId>(i))))];
          double squares = 0;
          for (std::size_t f = 0; f < x.size(); ++f) {
            x[f] += taste[f] + type[f];
            squares += x[f] * x[f];
          }
          double const scale = 1 / std::sqrt(std::max(squares, 1e-30));
          for (std::size_t f = 0; f < x.size(); ++f) {
            log.features.view()(i, static_cast<std::int64_t>(f)) = static_cast<float>(x[f] * scale);
          }
        }
      });
}

}  // namespace

InteractionLogView SyntheticLog::view() const {
  return {.user = user.view(),
          .item = item.view(),
          .time = time.view(),
          .strong = strong.view(),
          .user_count = user_count,
          .item_count = types.offsets.back()};
}

SyntheticLog synthetic_log(HostContext const& ctx, SyntheticLogConfig const& config) {
  check(config);
  SyntheticLog log;
  log.types = {.names = config.type_names, .offsets = {0}};
  for (std::int64_t const count : config.items_per_type) {
    log.types.offsets.push_back(log.types.offsets.back() + count);
  }
  log.user_count = config.users;
  auto const shelves = stock(config, log);
  std::vector<std::vector<Event>> events(static_cast<std::size_t>(config.users));
  parallel_for_blocks(ctx, config.users, rows_per_task, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t u = begin; u < end; ++u) {
      events[static_cast<std::size_t>(u)] = events_of_user(config, log.types, shelves, u);
    }
  });

  auto const total = std::accumulate(
      events.begin(), events.end(), std::int64_t{0},
      [](std::int64_t sum, auto const& of_user) { return sum + std::ssize(of_user); });
  log.user = Buffer<NodeId>(total);
  log.item = Buffer<NodeId>(total);
  log.time = Buffer<std::int64_t>(total);
  log.strong = Buffer<std::uint8_t>(total);
  std::int64_t row = 0;
  for (std::size_t u = 0; u < events.size(); ++u) {
    for (Event const& event : events[u]) {
      log.user.view()[row] = static_cast<NodeId>(u);
      log.item.view()[row] = event.item;
      log.time.view()[row] = event.time;
      log.strong.view()[row] = event.strong;
      ++row;
    }
  }
  make_features(ctx, config, log);
  return log;
}

}  // namespace relweave::graph
