#include "capped_histories.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>

#include <relweave/core/parallel.hpp>

namespace relweave::graph {

namespace {

constexpr std::int64_t users_per_task = 512;

struct Event {
  std::int64_t time;
  NodeId item;
};

struct EventsByUser {
  std::vector<std::int64_t> begin;  // (users + 1)
  std::vector<std::int64_t> end;    // (users), after the events in use
  std::vector<Event> events;        // in the log's order
};

EventsByUser group_by_user(InteractionLogView const& log, bool strong_only,
                           CoInteractionReport& report) {
  EventsByUser result{
      .begin = std::vector<std::int64_t>(static_cast<std::size_t>(log.user_count) + 1, 0),
      .end = {},
      .events = std::vector<Event>(static_cast<std::size_t>(log.user.size))};
  for (NodeId const user : log.user) {
    ++result.begin[static_cast<std::size_t>(user) + 1];
  }
  std::partial_sum(result.begin.begin(), result.begin.end(), result.begin.begin());
  result.end.assign(result.begin.begin(), result.begin.end() - 1);
  report.events = log.user.size;
  for (std::int64_t e = 0; e < log.user.size; ++e) {
    bool const strong = log.strong.empty() || log.strong[e] != 0;
    report.weak += strong ? 0 : 1;
    if (strong || !strong_only) {
      auto& next = result.end[static_cast<std::size_t>(log.user[e])];
      result.events[static_cast<std::size_t>(next++)] = {log.time[e], log.item[e]};
    }
  }
  report.strong = report.events - report.weak;
  report.weak_left_out = strong_only ? report.weak : 0;
  return result;
}

/// Leaves the history of one user at the front of [first, last) and returns its end.
Event* cap(Event* first, Event* last, std::int64_t max_history, CoInteractionReport& report) {
  for (Event const* e = first; e != last; ++e) {
    report.out_of_order += e != first && e->time < (e - 1)->time ? 1 : 0;
  }
  std::sort(first, last, [](Event const& a, Event const& b) {
    return std::tuple(a.item, b.time) < std::tuple(b.item, a.time);  // latest first
  });
  Event* end =
      std::unique(first, last, [](Event const& a, Event const& b) { return a.item == b.item; });
  report.repeats_merged += last - end;
  if (end - first > max_history) {
    report.over_cap += (end - first) - max_history;
    std::sort(first, end, [](Event const& a, Event const& b) {
      return std::tuple(a.time, a.item) > std::tuple(b.time, b.item);
    });
    end = first + max_history;
    std::sort(first, end, [](Event const& a, Event const& b) { return a.item < b.item; });
  }
  report.users += end != first ? 1 : 0;
  report.single_item_users += end - first == 1 ? 1 : 0;
  return end;
}

void index_items(std::int64_t item_count, CappedHistories& histories) {
  histories.item_offsets.assign(static_cast<std::size_t>(item_count) + 1, 0);
  for (NodeId const i : histories.item) {
    ++histories.item_offsets[static_cast<std::size_t>(i) + 1];
  }
  std::partial_sum(histories.item_offsets.begin(), histories.item_offsets.end(),
                   histories.item_offsets.begin());
  auto next = histories.item_offsets;
  histories.occurrences.resize(histories.item.size());
  for (std::size_t e = 0; e < histories.item.size(); ++e) {
    auto& place = next[static_cast<std::size_t>(histories.item[e])];
    histories.occurrences[static_cast<std::size_t>(place++)] = static_cast<std::int64_t>(e);
  }
}

}  // namespace

CappedHistories cap_histories(HostContext const& ctx, InteractionLogView const& log,
                              CoInteractionConfig const& config, CoInteractionReport& report) {
  EventsByUser by_user = group_by_user(log, config.strong_only, report);
  std::int64_t const tasks = (log.user_count + users_per_task - 1) / users_per_task;
  std::vector<CoInteractionReport> parts(static_cast<std::size_t>(tasks));
  parallel_for_blocks(ctx, log.user_count, users_per_task, [&](std::int64_t u0, std::int64_t u1) {
    for (auto u = static_cast<std::size_t>(u0); u < static_cast<std::size_t>(u1); ++u) {
      Event* const events = by_user.events.data();
      by_user.end[u] = cap(events + by_user.begin[u], events + by_user.end[u], config.max_history,
                           parts[static_cast<std::size_t>(u0 / users_per_task)]) -
                       events;
    }
  });
  for (CoInteractionReport const& part : parts) {
    report.out_of_order += part.out_of_order;
    report.repeats_merged += part.repeats_merged;
    report.over_cap += part.over_cap;
    report.users += part.users;
    report.single_item_users += part.single_item_users;
  }

  CappedHistories result;
  result.offsets.assign(by_user.begin.size(), 0);
  for (std::size_t u = 0; u < by_user.end.size(); ++u) {
    result.offsets[u + 1] = result.offsets[u] + by_user.end[u] - by_user.begin[u];
  }
  auto const kept = static_cast<std::size_t>(result.offsets.back());
  result.item.resize(kept);
  result.time.resize(kept);
  result.user.resize(kept);
  parallel_for_blocks(ctx, log.user_count, users_per_task, [&](std::int64_t u0, std::int64_t u1) {
    for (auto u = static_cast<std::size_t>(u0); u < static_cast<std::size_t>(u1); ++u) {
      auto place = static_cast<std::size_t>(result.offsets[u]);
      for (std::int64_t e = by_user.begin[u]; e < by_user.end[u]; ++e, ++place) {
        Event const& event = by_user.events[static_cast<std::size_t>(e)];
        result.item[place] = event.item;
        result.time[place] = event.time;
        result.user[place] = static_cast<NodeId>(u);
      }
    }
  });
  index_items(log.item_count, result);
  return result;
}

}  // namespace relweave::graph
