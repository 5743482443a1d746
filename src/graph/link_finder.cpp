#include "link_finder.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <relweave/core/parallel.hpp>

#include "capped_histories.hpp"
#include "count_runs.hpp"
#include "item_order.hpp"
#include "link_selector.hpp"
#include "link_store.hpp"
#include "memory_plan.hpp"
#include "pair_counts.hpp"

namespace relweave::graph {

namespace {

/// How runs are read at the same time: more threads rather than larger buffers.
struct Reading {
  static constexpr std::int64_t smallest = 4 << 10;
  static constexpr std::int64_t enough = 64 << 10;
  static constexpr std::int64_t largest = 256 << 10;

  Reading(MemoryPlan const& plan, std::int64_t runs) {
    threads = static_cast<int>(
        std::clamp<std::int64_t>(plan.merge_bytes / (runs * enough), 1, plan.threads));
    buffer_bytes = std::clamp(plan.merge_bytes / (threads * runs), smallest, largest);
  }
  static std::int64_t most_runs(MemoryPlan const& plan) { return plan.merge_bytes / smallest; }

  int threads;
  std::int64_t buffer_bytes;
};

class LinkFinder {
 public:
  LinkFinder(HostContext const& ctx, InteractionLogView const& log, ItemTypes const& types,
             CoInteractionConfig const& config, CoInteractionReport& report,
             ProgressCallback const& progress)
      : ctx_(ctx),
        log_(log),
        types_(types),
        config_(config),
        report_(report),
        index_(log, config.strong_only, report),
        plan_(plan_memory(threads_of(ctx), index_, types, config)),
        progress_(progress, phases()),
        order_(order_by_events(log, types)),
        selection_{.types = types, .config = config, .order = order_} {
    ctx_.threads = plan_.threads;
    report_.planned_bytes = plan_.peak_bytes;
    report_.runs = plan_.parts.size() > 1 ? std::ssize(plan_.parts) : 0;
  }

  ItemLinks find() {
    if (plan_.links_in_file) {
      link_file_ = std::make_unique<SpillFile>(config_.temp_folder);
    }
    if (plan_.parts.size() > 1) {
      choose_from_runs();
    } else {
      CappedHistories const histories = cap(plan_.parts.front());
      choose(ctx_, [&](std::size_t) { return PairCounter(histories, config_); });
    }
    report_.spilled_bytes += link_file_ ? link_file_->size() : 0;
    ItemLinks links = store_->join(ctx_, types_, plan_, report_, progress_);
    report_.beyond_top = report_.links_found - report_.below_min_count - report_.links;
    progress_.finish();
    return links;
  }

 private:
  std::int64_t phases() const {
    std::int64_t count = 2;  // choose and join
    for (auto const& bounds : plan_.parts) {
      count += std::ssize(bounds) - 1;  // blocks of events
    }
    std::int64_t runs = std::ssize(plan_.parts);
    count += runs > 1 ? runs : 0;
    std::int64_t const most = Reading::most_runs(plan_);
    for (; runs > 1 && runs > most; runs = (runs + most - 1) / most) {
      count += (runs + most - 1) / most;  // runs merged into
    }
    return count;
  }

  CappedHistories cap(std::span<NodeId const> bounds) {
    report_.log_passes += std::ssize(bounds) - 1;
    CappedHistories histories =
        cap_histories(ctx_, log_, index_, order_, bounds, config_, report_, progress_);
    for (std::int64_t i = 0; i < log_.item_count; ++i) {
      std::int64_t const degree = histories.degree(i);
      order_.items[static_cast<std::size_t>(i)].users += static_cast<std::int32_t>(degree);
      selection_.events += degree;
    }
    if (bounds_.empty()) {
      bounds_ = balanced_ranges(histories);
    }
    return histories;
  }

  /// Works range by range: `make_source(range)` counts the neighbours of one item after the other,
  /// `make_sink(range)` takes them, `done(range, sink)` ends the range.
  template <typename MakeSource, typename MakeSink, typename Done>
  void for_ranges(HostContext const& ctx, MakeSource const& make_source, MakeSink const& make_sink,
                  Done const& done) {
    std::int64_t const ranges = std::ssize(bounds_) - 1;
    progress_.begin_phase(ranges);
    parallel_for(ctx, ranges, [&](std::int64_t task) {
      auto const range = static_cast<std::size_t>(task);
      auto source = make_source(range);
      auto sink = make_sink(range);
      NeighborCounts counts(log_.item_count);
      for (std::int64_t i = bounds_[range]; i < bounds_[range + 1]; ++i) {
        source.count(static_cast<NodeId>(i), counts);
        sink.take(static_cast<NodeId>(i), counts);
        counts.clear();
      }
      done(range, sink);
      progress_.step();
    });
  }

  /// Links are split by ids, of which those with many users are the ends of many.
  std::vector<std::int64_t> ranges_of_ids() const {
    std::vector<std::int64_t> users(order_.rank_of.size());
    std::transform(order_.rank_of.begin(), order_.rank_of.end(), users.begin(),
                   [&](NodeId rank) { return order_[rank].users; });
    return balanced_bounds(users, std::ssize(bounds_) - 1);
  }

  template <typename MakeSource>
  void choose(HostContext const& ctx, MakeSource const& make_source) {
    selection_.learn_users();
    store_.emplace(ranges_of_ids(), link_file_.get());
    std::vector<CoInteractionReport> parts(bounds_.size() - 1);
    for_ranges(
        ctx, make_source,
        [&](std::size_t) { return LinkSelector(selection_, plan_.buffer_bytes, *store_); },
        [&](std::size_t range, LinkSelector& selector) { selector.finish(parts[range]); });
    std::int64_t const ends = config_.top_neighbors > 0 ? 2 : 1;  // that counted each pair
    for (CoInteractionReport const& part : parts) {
      report_.pairs += part.pairs;
      report_.links_found += part.links_found;
      report_.below_min_count += part.below_min_count;
    }
    report_.pairs /= ends;
    report_.links_found /= ends;
    report_.below_min_count /= ends;
  }

  template <typename MakeSource>
  CountRun write_run(HostContext const& ctx, SpillFile& file, MakeSource const& make_source) {
    CountRun run;
    run.ranges.resize(bounds_.size() - 1);
    for_ranges(
        ctx, make_source,
        [&](std::size_t range) { return RunWriter(file, plan_.buffer_bytes, run.ranges[range]); },
        [](std::size_t, RunWriter& writer) { writer.finish(); });
    return run;
  }

  void choose_from_runs() {
    auto file = std::make_unique<SpillFile>(config_.temp_folder);
    std::vector<CountRun> runs;
    for (auto const& bounds : plan_.parts) {
      CappedHistories const histories = cap(bounds);
      runs.push_back(
          write_run(ctx_, *file, [&](std::size_t) { return PairCounter(histories, config_); }));
    }
    report_.spilled_bytes += file->size();

    auto const read = [&](std::span<CountRun const> some, auto const& fn) {
      Reading const reading(plan_, std::ssize(some));
      HostContext limited = ctx_;
      limited.threads = reading.threads;
      fn(limited, [&, reading, some](std::size_t range) {
        return RunReader(*file, some, range, reading.buffer_bytes);
      });
    };
    std::int64_t const most = Reading::most_runs(plan_);
    while (std::ssize(runs) > most) {
      auto next_file = std::make_unique<SpillFile>(config_.temp_folder);
      std::vector<CountRun> next;
      for (std::int64_t first = 0; first < std::ssize(runs); first += most) {
        std::int64_t const n = std::min(most, std::ssize(runs) - first);
        read(std::span(runs).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(n)),
             [&](HostContext const& ctx, auto const& make_source) {
               next.push_back(write_run(ctx, *next_file, make_source));
             });
      }
      report_.spilled_bytes += next_file->size();
      file = std::move(next_file);
      runs = std::move(next);
    }
    read(runs, [&](HostContext const& ctx, auto const& make_source) { choose(ctx, make_source); });
  }

  HostContext ctx_;
  InteractionLogView log_;
  ItemTypes const& types_;
  CoInteractionConfig const& config_;
  CoInteractionReport& report_;
  LogIndex index_;
  MemoryPlan plan_;
  StageProgress progress_;
  ItemOrder order_;
  Selection selection_;
  std::unique_ptr<SpillFile> link_file_;
  std::optional<LinkStore> store_;
  std::vector<std::int64_t> bounds_;  // of the ranges of ranks
};

}  // namespace

ItemLinks find_links(HostContext const& ctx, InteractionLogView const& log, ItemTypes const& types,
                     CoInteractionConfig const& config, CoInteractionReport& report,
                     ProgressCallback const& progress) {
  return LinkFinder(ctx, log, types, config, report, progress).find();
}

}  // namespace relweave::graph
