#include "capped_histories.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>

#include <relweave/core/parallel.hpp>

namespace relweave::graph {

namespace {

/// Leaves the history of one user, with ranks for items, at the front of [first, last) and returns
/// its end.
UserEvent* cap(UserEvent* first, UserEvent* last, std::int64_t max_history, ItemOrder const& order,
               CoInteractionReport& report) {
  for (UserEvent const* e = first; e != last; ++e) {
    report.out_of_order += e != first && e->time < (e - 1)->time ? 1 : 0;
  }
  std::sort(first, last, [](UserEvent const& a, UserEvent const& b) {
    return std::tuple(a.item, b.time) < std::tuple(b.item, a.time);  // latest first
  });
  UserEvent* end = std::unique(
      first, last, [](UserEvent const& a, UserEvent const& b) { return a.item == b.item; });
  report.repeats_merged += last - end;
  if (end - first > max_history) {
    report.over_cap += (end - first) - max_history;
    std::nth_element(first, first + max_history, end, [](UserEvent const& a, UserEvent const& b) {
      return std::tuple(a.time, a.item) > std::tuple(b.time, b.item);
    });
    end = first + max_history;
  }
  for (UserEvent* e = first; e != end; ++e) {
    e->item = order.rank_of[static_cast<std::size_t>(e->item)];
  }
  std::sort(first, end, [](UserEvent const& a, UserEvent const& b) { return a.item < b.item; });
  report.users += end != first ? 1 : 0;
  report.single_item_users += end - first == 1 ? 1 : 0;
  return end;
}

/// A stretch of users whom one task caps.
struct Lane {
  NodeId first;
  NodeId last;
  std::int64_t events;
  std::int64_t place;  // in the histories
};

/// Every lane reads the log, so there are as many as threads, with about the same events each.
std::vector<Lane> lanes_of(NodeId first, NodeId last, int threads, std::int64_t max_history,
                           std::vector<std::int64_t> const& events, std::int64_t& place) {
  auto const at = events.begin();
  std::int64_t const total = std::max<std::int64_t>(
      std::accumulate(at + first, at + last, std::int64_t{0}), 1);  // no event makes one lane
  std::vector<Lane> lanes;
  std::int64_t done = 0;
  for (NodeId user = first; user < last; ++user) {
    if (done * threads >= total * std::ssize(lanes)) {
      lanes.push_back({.first = user, .last = user, .events = 0, .place = place});
    }
    std::int64_t const n = events[static_cast<std::size_t>(user)];
    lanes.back().last = user + 1;
    lanes.back().events += n;
    done += n;
    place += std::min(n, max_history);
  }
  return lanes;
}

void cap_lane(InteractionLogView const& log, LogIndex const& index, ItemOrder const& order,
              Lane const& lane, NodeId first_user, std::int64_t max_history,
              CoInteractionReport& report, CappedHistories& result) {
  Pages<UserEvent> events(lane.events);
  Pages<std::int64_t> ends(lane.last - lane.first);  // of each user, of the events that are there
  std::int64_t begin = 0;
  for (NodeId user = lane.first; user < lane.last; ++user) {
    ends[user - lane.first] = begin;
    begin += index.events_of_user()[static_cast<std::size_t>(user)];
  }
  index.for_rows_of(lane.first, lane.last, [&](std::int64_t row) {
    events[ends[log.user[row] - lane.first]++] = {.time = log.time[row], .item = log.item[row]};
  });
  std::int64_t place = lane.place;
  UserEvent* first = events.data();
  for (NodeId user = lane.first; user < lane.last; ++user) {
    UserEvent* const last = events.data() + ends[user - lane.first];
    UserEvent const* const end = cap(first, last, max_history, order, report);
    result.of_user[user - first_user] = {.begin = place,
                                         .length = static_cast<std::int32_t>(end - first)};
    for (UserEvent const* e = first; e != end; ++e, ++place) {
      result.item[place] = e->item;
      if (!result.time.empty()) {
        result.time[place] = e->time;
      }
    }
    first = last;
  }
}

void index_items(std::int64_t item_count, CappedHistories& histories) {
  auto& offsets = histories.item_offsets;
  offsets = Pages<std::int64_t>(item_count + 1);
  auto const for_items = [&](auto const& fn) {
    for (NodeId user = 0; user < histories.of_user.size(); ++user) {
      auto const [begin, length] = histories.of_user[user];
      for (std::int64_t e = begin; e < begin + length; ++e) {
        fn(user, histories.item[e]);
      }
    }
  };
  for_items([&](NodeId, NodeId item) { ++offsets[item]; });
  std::partial_sum(offsets.begin(), offsets.end(), offsets.begin());
  histories.holders = Pages<NodeId>(offsets[item_count]);
  // The ends move to the beginnings as the places before them fill.
  for_items([&](NodeId user, NodeId item) { histories.holders[--offsets[item]] = user; });
}

}  // namespace

CappedHistories cap_histories(HostContext const& ctx, InteractionLogView const& log,
                              LogIndex const& index, ItemOrder const& order,
                              std::span<NodeId const> bounds, CoInteractionConfig const& config,
                              CoInteractionReport& report, StageProgress& progress) {
  std::vector<std::vector<Lane>> blocks;
  std::int64_t room = 0;
  for (std::size_t b = 0; b + 1 < bounds.size(); ++b) {
    blocks.push_back(lanes_of(bounds[b], bounds[b + 1], threads_of(ctx), config.max_history,
                              index.events_of_user(), room));
  }
  CappedHistories result;
  result.of_user = Pages<CappedHistories::History>(bounds.back() - bounds.front());
  result.item = Pages<NodeId>(room);
  result.time = Pages<std::int64_t>(config.window_seconds > 0 ? room : 0);
  for (std::vector<Lane> const& lanes : blocks) {
    std::vector<CoInteractionReport> parts(lanes.size());
    progress.begin_phase(std::ssize(lanes));
    parallel_for(ctx, std::ssize(lanes), [&](std::int64_t task) {
      auto const k = static_cast<std::size_t>(task);
      cap_lane(log, index, order, lanes[k], bounds.front(), config.max_history, parts[k], result);
      progress.step();
    });
    for (CoInteractionReport const& part : parts) {
      report.out_of_order += part.out_of_order;
      report.repeats_merged += part.repeats_merged;
      report.over_cap += part.over_cap;
      report.users += part.users;
      report.single_item_users += part.single_item_users;
    }
  }
  index_items(log.item_count, result);
  return result;
}

}  // namespace relweave::graph
