#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <relweave/graph/co_interaction.hpp>

namespace relweave::graph {

/// How many of a log's events each user has, and which users a stretch of rows may hold.
class LogIndex {
 public:
  /// Fills the report's counts of events. Weak ones are left out where strong_only says so.
  LogIndex(InteractionLogView const& log, bool strong_only, CoInteractionReport& report);

  std::vector<std::int64_t> const& events_of_user() const { return events_; }
  std::int64_t bytes() const {
    return std::ssize(events_) * 8 + std::ssize(stretches_) * std::int64_t{sizeof(Stretch)};
  }

  /// Calls fn(row) for every event in use of a user in [first, last), in the log's order. A log in
  /// the order of users is not read but where they are.
  template <typename Fn>
  void for_rows_of(NodeId first, NodeId last, Fn const& fn) const {
    auto const users = static_cast<std::uint32_t>(last - first);
    for (std::int64_t k = 0; k < std::ssize(stretches_); ++k) {
      Stretch const& s = stretches_[static_cast<std::size_t>(k)];
      if (s.highest < first || s.lowest >= last) {
        continue;
      }
      std::int64_t const end = std::min((k + 1) * rows_per_stretch, log_.user.size);
      for (std::int64_t row = k * rows_per_stretch; row < end; ++row) {
        if (static_cast<std::uint32_t>(log_.user[row] - first) < users && used(row)) {
          fn(row);
        }
      }
    }
  }

 private:
  struct Stretch {
    NodeId lowest;
    NodeId highest;
  };
  static constexpr std::int64_t rows_per_stretch = 16384;

  bool used(std::int64_t row) const {
    return !strong_only_ || log_.strong.empty() || log_.strong[row] != 0;
  }

  InteractionLogView log_;
  bool strong_only_;
  std::vector<std::int64_t> events_;  // (users)
  std::vector<Stretch> stretches_;
};

}  // namespace relweave::graph
