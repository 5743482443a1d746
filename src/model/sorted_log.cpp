#include "sorted_log.hpp"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <relweave/core/error.hpp>

#include "input_checks.hpp"

namespace relweave::model {

namespace {

/// The places of the events by user, then time, then item. Counts the users in `offsets`, zeros.
std::vector<std::int64_t> order_of(graph::InteractionLogView const& log,
                                   VectorView<std::int64_t> offsets) {
  for (NodeId const user : log.user) {
    ++offsets[user + 1];
  }
  std::partial_sum(offsets.begin(), offsets.end(), offsets.begin());
  std::vector<std::int64_t> next(offsets.begin(), offsets.end());
  std::vector<std::int64_t> order(static_cast<std::size_t>(log.user.size));
  for (std::int64_t e = 0; e < log.user.size; ++e) {
    order[static_cast<std::size_t>(next[static_cast<std::size_t>(log.user[e])]++)] = e;
  }
  auto const earlier = [&](std::int64_t a, std::int64_t b) {
    return std::pair(log.time[a], log.item[a]) < std::pair(log.time[b], log.item[b]);
  };
  for (std::int64_t u = 0; u < log.user_count; ++u) {
    // Stable: of two equal rows the first stays first, whatever the library's sort does.
    std::stable_sort(order.begin() + offsets[u], order.begin() + offsets[u + 1], earlier);
  }
  return order;
}

}  // namespace

SortedLog::SortedLog(graph::InteractionLogView const& log) : item_count_(log.item_count) {
  constexpr std::string_view here = "Recommender.fit";
  std::int64_t const n = log.user.size;
  if (log.user_count < 0) {
    raise<ConfigError>(here, "log.user_count", std::to_string(log.user_count), "at least 0");
  }
  if (n == 0) {
    raise<ConfigError>(here, "log", "no interaction", "at least one interaction",
                       "Check the filters that made the log.");
  }
  expect_size(here, "log.item", log.item, n);
  expect_size(here, "log.time", log.time, n);
  if (!log.strong.empty()) {
    expect_size(here, "log.strong", log.strong, n);
  }
  expect_indices(here, "log.user", log.user, log.user_count);
  expect_indices(here, "log.item", log.item, log.item_count);

  offsets_ = Buffer<std::int64_t>::zeros(log.user_count + 1);
  {
    auto const order = order_of(log, offsets_.view());
    items_ = Buffer<NodeId>(n);
    times_ = Buffer<std::int64_t>(n);
    strong_ = Buffer<std::uint8_t>(n);
    for (std::int64_t k = 0; k < n; ++k) {
      std::int64_t const e = order[static_cast<std::size_t>(k)];
      items_.view()[k] = log.item[e];
      times_.view()[k] = log.time[e];
      strong_.view()[k] = log.strong.empty() || log.strong[e] != 0 ? 1 : 0;
    }
  }  // the order is as large as two columns
  fill_users();
}

SortedLog::SortedLog(Buffer<std::int64_t> offsets, Buffer<NodeId> items, Buffer<std::int64_t> times,
                     Buffer<std::uint8_t> strong, std::int64_t item_count)
    : offsets_(std::move(offsets)),
      items_(std::move(items)),
      times_(std::move(times)),
      strong_(std::move(strong)),
      item_count_(item_count) {
  constexpr std::string_view here = "SortedLog";
  expect_histories(here, histories(), item_count);
  expect_size(here, "strong", strong_.view(), items_.size());
  expect_size(here, "times", times_.view(), items_.size());
  for (std::int64_t u = 0; u < user_count(); ++u) {
    if (!std::is_sorted(times_.data() + offsets_.view()[u],
                        times_.data() + offsets_.view()[u + 1])) {
      raise<GraphError>(here, "times", "an event of user " + std::to_string(u) + " before the last",
                        "ascending times of every user");
    }
  }
  fill_users();
}

void SortedLog::fill_users() {
  users_ = Buffer<NodeId>(items_.size());
  for (std::int64_t u = 0; u < user_count(); ++u) {
    std::fill(users_.data() + offsets_.view()[u], users_.data() + offsets_.view()[u + 1],
              static_cast<NodeId>(u));
  }
}

graph::InteractionLogView SortedLog::view() const {
  return {.user = users_.view(),
          .item = items_.view(),
          .time = times_.view(),
          .strong = strong_.view(),
          .user_count = user_count(),
          .item_count = item_count_};
}

Histories SortedLog::histories() const {
  return {.offsets = offsets_.view(), .items = items_.view(), .strong = strong_.view()};
}

}  // namespace relweave::model
