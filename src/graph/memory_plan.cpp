#include "memory_plan.hpp"

#include <algorithm>
#include <string>

#include <relweave/core/error.hpp>

#include "capped_histories.hpp"
#include "link_selector.hpp"
#include "link_store.hpp"
#include "neighbor_counts.hpp"

namespace relweave::graph {

namespace {

constexpr std::int64_t smallest_buffer = 4 << 10;
constexpr std::int64_t largest_buffer = 1 << 20;

/// What a part of the users needs, when every event is of another item.
struct Need {
  std::int64_t users = 0;
  std::int64_t events = 0;
  std::int64_t kept = 0;
  std::int64_t pairs = 0;  // of both directions

  Need& operator+=(Need const& other) {
    users += other.users;
    events += other.events;
    kept += other.kept;
    pairs += other.pairs;
    return *this;
  }
};

class MemoryModel {
 public:
  MemoryModel(LogIndex const& index, ItemTypes const& types, CoInteractionConfig const& config)
      : events_(index.events_of_user()), config_(config), items_(types.offsets.back()) {
    // Of every item its rank and the reverse, two numbers of users, and for a while the work that
    // it makes.
    fixed_ = index.bytes() + items_ * std::int64_t{4 * sizeof(std::int32_t) + sizeof(std::int64_t)};
    std::int64_t const top = config.top_neighbors;
    for (std::int32_t t = 0; t < std::ssize(types.names); ++t) {
      std::int64_t const n = types.count(static_cast<NodeTypeId>(t));
      kept_per_item_ += std::min(n, top);
      selection_ += std::min(n, 2 * top) * std::int64_t{sizeof(Neighbor)};
    }
  }

  NodeId users() const { return static_cast<NodeId>(events_.size()); }
  std::int64_t fixed() const { return fixed_; }

  Need of_user(NodeId user) const {
    std::int64_t const events = events_[static_cast<std::size_t>(user)];
    std::int64_t const kept = std::min<std::int64_t>(events, config_.max_history);
    return {.users = 1, .events = events, .kept = kept, .pairs = kept * (kept - 1)};
  }
  Need of_all() const {
    Need all;
    for (NodeId user = 0; user < users(); ++user) {
      all += of_user(user);
    }
    return all;
  }

  std::int64_t event_bytes(Need const& block) const {
    return block.events * std::int64_t{sizeof(UserEvent)} + block.users * 8;
  }
  std::int64_t capping_bytes(Need const& part) const {
    std::int64_t const time = config_.window_seconds > 0 ? 8 : 0;
    return part.users * std::int64_t{sizeof(CappedHistories::History)} + part.kept * (4 + time);
  }
  std::int64_t history_bytes(Need const& part) const {
    return capping_bytes(part) + part.kept * 4 + items_ * 8;
  }
  std::int64_t thread_bytes(std::int64_t buffer) const {
    return items_ * NeighborCounts::bytes_per_item + selection_ + 2 * buffer;
  }
  /// Of links before those that both ends keep are joined.
  std::int64_t link_bytes(Need const& all) const {
    std::int64_t const ends = std::min(all.pairs, items_ * (items_ - 1));
    std::int64_t const links =
        config_.top_neighbors == 0 ? ends / 2 : std::min(ends, items_ * kept_per_item_);
    return links * std::int64_t{sizeof(Link)};
  }
  static std::int64_t joining_bytes(std::int64_t link_bytes) {
    return link_bytes + link_bytes / std::int64_t{sizeof(Link)} * result_bytes_per_link;
  }

 private:
  std::vector<std::int64_t> const& events_;
  CoInteractionConfig const& config_;
  std::int64_t items_;
  std::int64_t fixed_ = 0;
  std::int64_t kept_per_item_ = 0;
  std::int64_t selection_ = 0;
};

/// What the way through files cannot do without, beside the fixed bytes.
struct Smallest {
  std::int64_t room;
  std::int64_t history_of_one;  // of the user who has most
  std::int64_t events_of_one;
};

Smallest smallest_working(MemoryModel const& model) {
  std::int64_t const thread = model.thread_bytes(smallest_buffer);
  Smallest smallest{
      .room = std::max(2 * thread, 16 * smallest_buffer), .history_of_one = 0, .events_of_one = 0};
  for (NodeId user = 0; user < model.users(); ++user) {
    Need const need = model.of_user(user);
    smallest.history_of_one = std::max(smallest.history_of_one, model.history_bytes(need));
    smallest.events_of_one = std::max(smallest.events_of_one, model.event_bytes(need));
  }
  smallest.room = std::max({smallest.room, smallest.history_of_one + thread,
                            2 * std::max(smallest.events_of_one, smallest.history_of_one)});
  return smallest;
}

/// Cuts the users into parts that `fits` accepts, and each into blocks of at most `block_room`
/// bytes of events. Returns the most bytes that a part has while it is capped.
template <typename Fits>
std::int64_t cut(MemoryModel const& model, std::int64_t block_room, Fits const& fits,
                 std::vector<std::vector<NodeId>>& parts) {
  std::int64_t most = 0;
  parts = {{0}};
  Need part;
  Need block;
  std::int64_t largest_block = 0;
  for (NodeId user = 0; user < model.users(); ++user) {
    Need const need = model.of_user(user);
    Need longer_part = part;
    Need longer_block = block;
    longer_part += need;
    longer_block += need;
    if (part.users > 0 && !fits(longer_part)) {
      parts.back().push_back(user);
      parts.push_back({user});
      longer_part = longer_block = need;
      largest_block = 0;
    } else if (block.users > 0 && model.event_bytes(longer_block) > block_room) {
      parts.back().push_back(user);
      longer_block = need;
    }
    part = longer_part;
    block = longer_block;
    largest_block = std::max(largest_block, model.event_bytes(block));
    most = std::max(most, model.capping_bytes(part) + largest_block);
  }
  parts.back().push_back(model.users());
  return most;
}

}  // namespace

int MemoryPlan::threads_for(std::int64_t bytes, std::int64_t held) const {
  if (limit == 0) {
    return threads;
  }
  std::int64_t const fitting = (limit - fixed_bytes - held) / std::max<std::int64_t>(bytes, 1);
  return static_cast<int>(std::clamp<std::int64_t>(fitting, 1, threads));
}

MemoryPlan plan_memory(int threads, LogIndex const& index, ItemTypes const& types,
                       CoInteractionConfig const& config) {
  MemoryModel const model(index, types, config);
  Need const all = model.of_all();
  std::int64_t const links = model.link_bytes(all);
  MemoryPlan plan{.limit = config.memory_limit,
                  .fixed_bytes = model.fixed(),
                  .threads = threads,
                  .parts = {{0, model.users()}},
                  .links_in_file = false,
                  .buffer_bytes = largest_buffer,
                  .merge_bytes = 0,
                  .peak_bytes = 0};
  plan.peak_bytes =
      model.fixed() +
      std::max({model.capping_bytes(all) + model.event_bytes(all),
                model.history_bytes(all) + threads * model.thread_bytes(largest_buffer) + links,
                model.joining_bytes(links)});
  if (plan.limit == 0 || plan.peak_bytes <= plan.limit) {
    return plan;
  }

  std::int64_t const room = plan.limit - model.fixed();
  Smallest const smallest = smallest_working(model);
  if (room < smallest.room) {
    raise<ConfigError>("CoInteractionConfig", "memory_limit", std::to_string(plan.limit) + " bytes",
                       "at least " + std::to_string(model.fixed() + smallest.room) +
                           " for this log, or 0 for no limit",
                       "Less is needed with a lower max_history or without a window.");
  }
  std::int64_t const for_threads = room - std::max(smallest.history_of_one, room / 2);
  plan.threads = static_cast<int>(
      std::clamp<std::int64_t>(for_threads / model.thread_bytes(smallest_buffer), 1, threads));
  plan.buffer_bytes =
      std::clamp((room - smallest.room) / (16 * plan.threads), smallest_buffer, largest_buffer);
  std::int64_t const counting = plan.threads * model.thread_bytes(plan.buffer_bytes);

  std::int64_t const beside_histories = room - model.capping_bytes(all);
  bool const one_part = beside_histories >= std::max(room / 8, smallest.events_of_one) &&
                        model.history_bytes(all) + counting <= room;
  std::int64_t held = 0;  // while links are found
  std::int64_t peak = 0;
  if (one_part) {
    peak = cut(
        model, beside_histories, [](Need const&) { return true; }, plan.parts);
    held = model.history_bytes(all) + counting;
  } else {
    auto const fits = [&](Need const& part) {
      return model.capping_bytes(part) <= room / 2 && model.history_bytes(part) + counting <= room;
    };
    peak = std::max(cut(model, room / 2, fits, plan.parts), room / 2 + counting);
    plan.merge_bytes = (room - counting) / 2;
    held = counting + plan.merge_bytes;
  }
  plan.links_in_file = std::max(held + links, model.joining_bytes(links)) > room;
  if (!plan.links_in_file) {
    peak = std::max(peak, model.joining_bytes(links));
    held += links;
  }
  plan.peak_bytes = model.fixed() + std::max(peak, held);
  return plan;
}

}  // namespace relweave::graph
