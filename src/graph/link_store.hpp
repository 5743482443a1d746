#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include <relweave/graph/co_interaction.hpp>

#include "memory_plan.hpp"
#include "pages.hpp"
#include "spill_file.hpp"
#include "stage_progress.hpp"

namespace relweave::graph {

struct Link {
  NodeId lower;
  NodeId upper;
  std::int32_t count;
  float weight;
};

inline constexpr std::int64_t result_bytes_per_link =
    2 * sizeof(NodeId) + sizeof(std::int64_t) + sizeof(float);

/// Links on their way to the result, in memory or in a file, split by the range of their lower end.
class LinkStore {
 public:
  /// `bounds` of the ranges ascend from 0 to the number of items. No file: in memory.
  LinkStore(std::vector<std::int64_t> bounds, SpillFile* file)
      : bounds_(std::move(bounds)), file_(file) {}

  /// From any thread.
  void add(std::span<Link const> links);

  /// The links sorted by their ends, each once. Fills the report's fields about what remains.
  /// Throws ConfigError if the plan's limit has no room for them.
  ItemLinks join(HostContext const& ctx, ItemTypes const& types, MemoryPlan const& plan,
                 CoInteractionReport& report, StageProgress& progress);

 private:
  struct Chunk {
    std::vector<std::int64_t> begins;  // (ranges + 1), of each range's links
    Pages<Link> links;                 // empty where they are in the file
    std::int64_t file_at;
  };

  std::int64_t in_range(std::size_t range) const;
  /// Copies the first links of a range.
  void load(std::size_t range, std::span<Link> links) const;
  /// Puts links in their place.
  void store(std::size_t range, std::span<Link const> links);
  /// Leaves the links of a range sorted and each once, and returns how many these are.
  std::int64_t sort(std::size_t range);

  std::vector<std::int64_t> bounds_;
  SpillFile* file_;
  std::mutex mutex_;
  std::vector<Chunk> chunks_;
};

}  // namespace relweave::graph
