// A catalogue and a log in the form that the library trains on: made up, or from two CSV files.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include <relweave/relweave.hpp>

struct Log {  // one entry per event, in any order
  std::vector<relweave::NodeId> user, item;
  std::vector<std::int64_t> time;
  std::vector<std::uint8_t> strong;
};

struct Data {
  relweave::graph::ItemTypes types;  // dense item ids are grouped by type
  relweave::io::Vocabulary items;    // external ids, in the order of the dense ones
  relweave::io::Vocabulary users;
  relweave::Matrix<float> vectors;  // (items, d): what a text encoder made of the items
  Log log;
};

inline Data made_up_data(relweave::HostContext const& ctx) {
  auto log = relweave::graph::synthetic_log(ctx, {.users = 1000, .mean_events = 15});
  auto const names = [](std::string const& prefix, std::int64_t count) {
    std::vector<std::string> result;
    for (std::int64_t i = 0; i < count; ++i) {
      result.push_back(prefix + std::to_string(i));
    }
    return relweave::io::Vocabulary(std::move(result));
  };
  return {.types = log.types,
          .items = names("item", log.types.offsets.back()),
          .users = names("user", log.user_count),
          .vectors = std::move(log.features),
          .log = {.user = {log.user.view().begin(), log.user.view().end()},
                  .item = {log.item.view().begin(), log.item.view().end()},
                  .time = {log.time.view().begin(), log.time.view().end()},
                  .strong = {log.strong.view().begin(), log.strong.view().end()}}};
}

// Items: columns item_id, type, and numbers under any other name: the item's vector.
// Events: columns user_id, item_id, time (seconds), and if it is there, signal (strong or weak).
inline Data read_data(std::string const& items_path, std::string const& events_path) {
  using relweave::io::CsvTable;
  CsvTable const catalogue = CsvTable::read(items_path);
  CsvTable const events = CsvTable::read(events_path);
  Data data;

  auto const ids = catalogue.strings("item_id");
  auto const types = catalogue.strings("type");
  std::vector<std::size_t> order(ids.size());  // rows of the file, grouped by type
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return types[a] < types[b]; });
  std::vector<std::string> sorted_ids;
  for (std::size_t const row : order) {
    if (data.types.names.empty() || data.types.names.back() != types[row]) {
      data.types.names.push_back(types[row]);
      data.types.offsets.push_back(std::ssize(sorted_ids));
    }
    sorted_ids.push_back(ids[row]);
  }
  data.types.offsets.push_back(std::ssize(sorted_ids));
  data.items = relweave::io::Vocabulary(std::move(sorted_ids));

  std::vector<std::string> features = catalogue.columns();
  std::erase(features, "item_id");
  std::erase(features, "type");
  data.vectors = relweave::Matrix<float>(catalogue.rows(), std::ssize(features));
  for (std::size_t f = 0; f < features.size(); ++f) {
    auto const column = catalogue.numbers(features[f]);
    for (std::size_t i = 0; i < order.size(); ++i) {
      data.vectors.view()(static_cast<std::int64_t>(i), static_cast<std::int64_t>(f)) =
          static_cast<float>(column[order[i]]);
    }
  }

  auto const user_ids = events.strings("user_id");
  auto const item_ids = events.strings("item_id");
  data.log.time = events.integers("time");
  std::map<std::string, relweave::NodeId> users;
  std::vector<std::string> user_names;
  for (std::size_t e = 0; e < user_ids.size(); ++e) {
    auto const item = data.items.find(item_ids[e]);
    if (!item) {
      relweave::raise<relweave::ConfigError>("read_data", events_path, "item '" + item_ids[e] + "'",
                                             "items of " + items_path);
    }
    auto const [known, fresh] =
        users.emplace(user_ids[e], static_cast<relweave::NodeId>(users.size()));
    if (fresh) {
      user_names.push_back(user_ids[e]);
    }
    data.log.user.push_back(known->second);
    data.log.item.push_back(static_cast<relweave::NodeId>(*item));
  }
  data.users = relweave::io::Vocabulary(std::move(user_names));
  data.log.strong.assign(data.log.user.size(), 1);
  if (events.contains("signal")) {
    auto const signal = events.strings("signal");
    std::transform(signal.begin(), signal.end(), data.log.strong.begin(),
                   [](std::string const& s) { return s == "strong" ? 1 : 0; });
  }
  return data;
}
