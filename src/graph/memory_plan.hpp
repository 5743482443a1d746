#pragma once

#include <cstdint>
#include <vector>

#include <relweave/core/types.hpp>
#include <relweave/graph/co_interaction.hpp>

#include "log_index.hpp"

namespace relweave::graph {

/// Which users are worked on together, and what goes through files.
struct MemoryPlan {
  std::int64_t limit;        ///< bytes; 0: none
  std::int64_t fixed_bytes;  ///< of what is there all the time
  int threads;
  /// Of every part of the users whose histories are in memory at a time, the bounds of blocks whose
  /// events are. More than one part: each leaves a run of counts in a file.
  std::vector<std::vector<NodeId>> parts;
  bool links_in_file;
  std::int64_t buffer_bytes;  ///< of a task that writes
  std::int64_t merge_bytes;   ///< for reading runs
  std::int64_t peak_bytes;

  /// As many threads as `bytes` each allow beside `held` bytes, at least one.
  int threads_for(std::int64_t bytes, std::int64_t held) const;
};

/// Throws ConfigError for a memory limit that is too small, with one that is not.
MemoryPlan plan_memory(int threads, LogIndex const& index, ItemTypes const& types,
                       CoInteractionConfig const& config);

}  // namespace relweave::graph
