#include "log_index.hpp"

namespace relweave::graph {

LogIndex::LogIndex(InteractionLogView const& log, bool strong_only, CoInteractionReport& report)
    : log_(log), strong_only_(strong_only), events_(static_cast<std::size_t>(log.user_count), 0) {
  report.events = log.user.size;
  for (std::int64_t begin = 0; begin < log.user.size; begin += rows_per_stretch) {
    std::int64_t const end = std::min(begin + rows_per_stretch, log.user.size);
    Stretch stretch{.lowest = log.user[begin], .highest = log.user[begin]};
    for (std::int64_t row = begin; row < end; ++row) {
      NodeId const user = log.user[row];
      stretch = {.lowest = std::min(stretch.lowest, user),
                 .highest = std::max(stretch.highest, user)};
      report.strong += log.strong.empty() || log.strong[row] != 0 ? 1 : 0;
      events_[static_cast<std::size_t>(user)] += used(row) ? 1 : 0;
    }
    stretches_.push_back(stretch);
  }
  report.weak = report.events - report.strong;
  report.weak_left_out = strong_only ? report.weak : 0;
}

}  // namespace relweave::graph
