#include "two_tower_checks.hpp"

#include <string>

#include <relweave/core/error.hpp>

#include "config_checks.hpp"

namespace relweave::model {

void validate(TwoTowerConfig const& config) {
  ConfigCheck const check("TwoTowerConfig");
  check.layers("layers", config.layers);
  check.at_least("epochs", config.epochs, 0);
  check.count("batch", config.batch);
  check.positive("learning_rate", config.learning_rate);
  check.positive("temperature", config.temperature);
  check.not_negative("correction", config.correction);
  check.at_least("max_history", config.max_history, 1);
  check.at_least("window_seconds", config.window_seconds, 0);
  check.not_negative("weak_weight", config.weak_weight);
  check.share("hidden_history", config.hidden_history);
  check.share("cold_items", config.cold_items);
  check.not_negative("trend", config.trend);
  check.at_least("trend_seconds", config.trend_seconds, 0);
}

void expect_sorted_log(graph::InteractionLogView const& log) {
  constexpr std::string_view here = "TwoTower.fit";
  expect_size(here, "log.item", log.item, log.user.size);
  expect_size(here, "log.time", log.time, log.user.size);
  if (!log.strong.empty()) {
    expect_size(here, "log.strong", log.strong, log.user.size);
  }
  if (log.user.empty()) {
    raise<ConfigError>(here, "log", "no interaction", "at least one interaction",
                       "Check the filters that made the log.");
  }
  expect_indices(here, "log.user", log.user, log.user_count);
  expect_indices(here, "log.item", log.item, log.item_count);
  for (std::int64_t e = 1; e < log.user.size; ++e) {
    bool const later = log.user[e] > log.user[e - 1] ||
                       (log.user[e] == log.user[e - 1] && log.time[e] >= log.time[e - 1]);
    if (!later) {
      raise<GraphError>(here, "log", "row " + std::to_string(e) + " before its predecessor",
                        "rows sorted by user, then time");
    }
  }
}

}  // namespace relweave::model
