#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>

#include <relweave/core/error.hpp>
#include <relweave/core/progress.hpp>

namespace relweave::graph {

/// Counts the tasks that threads finish, phase by phase, and tells the callback on the thread that
/// began. Every phase counts as a hundred steps. Throws StoppedError if the callback wants no more.
class StageProgress {
 public:
  StageProgress(ProgressCallback const& callback, std::int64_t phases)
      : callback_(callback), phases_(phases) {}

  /// From the thread that began.
  void begin_phase(std::int64_t tasks) {
    ++phase_;
    tasks_ = std::max<std::int64_t>(tasks, 1);
    done_ = 0;
    tell(0);
  }
  /// From a task, when it is done.
  void step() {
    std::int64_t const done = ++done_;
    if (std::this_thread::get_id() == caller_) {
      tell(done);
    }
  }
  /// From the thread that began, when all is done.
  void finish() { tell(tasks_); }

 private:
  static constexpr std::int64_t steps_per_phase = 100;

  void tell(std::int64_t done) {
    if (callback_ && !callback_({.stage = "graph",
                                 .epochs = 1,
                                 .step = phase_ * steps_per_phase + steps_per_phase * done / tasks_,
                                 .steps = phases_ * steps_per_phase})) {
      throw StoppedError(
          "co_interaction_links: stopped by the progress callback before there was a graph");
    }
  }

  ProgressCallback const& callback_;
  std::int64_t phases_;
  std::int64_t phase_ = -1;
  std::int64_t tasks_ = 1;
  std::atomic<std::int64_t> done_{0};
  std::thread::id caller_ = std::this_thread::get_id();
};

}  // namespace relweave::graph
