#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/progress.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>
#include <relweave/graph/hetero_graph.hpp>

namespace relweave::graph {

/// Who interacted with what, when: one row per event, columns of equal length, dense ids.
struct InteractionLogView {
  VectorView<NodeId const> user;
  VectorView<NodeId const> item;
  VectorView<std::int64_t const> time;    ///< seconds since 1970; may be negative
  VectorView<std::uint8_t const> strong;  ///< 1 strong, 0 weak signal; empty: all strong
  std::int64_t user_count = 0;
  std::int64_t item_count = 0;
};

/// Item types of a catalogue whose dense ids are grouped by type: items of type t are
/// [offsets[t], offsets[t + 1]).
struct RELWEAVE_API ItemTypes {
  std::vector<std::string> names;     // (T)
  std::vector<std::int64_t> offsets;  // (T + 1)

  std::int64_t count(NodeTypeId type) const {
    auto const t = static_cast<std::size_t>(index(type));
    return offsets[t + 1] - offsets[t];
  }
  /// The item's type; `item` must be in [0, offsets[T]).
  NodeTypeId type_of(NodeId item) const;
  /// Position of the item inside its type.
  NodeId local(NodeId item) const {
    return static_cast<NodeId>(item - offsets[static_cast<std::size_t>(index(type_of(item)))]);
  }
  /// Throws ShapeError unless there is one offset more than names, and at least one name;
  /// ConfigError unless the offsets ascend from 0 and fit NodeId. A type may have no item.
  void check() const;
};

/// What makes one neighbour stronger than another.
enum class EdgeWeight {
  count,   ///< users who share both items
  cosine,  ///< count / sqrt(users of one * users of the other)
  pmi,     ///< log(count * events / (users * users)), damped by count / (count + 5)
};

struct CoInteractionConfig {
  std::int32_t max_history = 50;    ///< most recent items of each user that make pairs
  std::int64_t window_seconds = 0;  ///< longest time between the two items of a pair; 0: any
  std::int64_t min_count = 1;       ///< users that a link needs
  std::int32_t top_neighbors = 10;  ///< strongest neighbours kept per item and neighbour type, the
                                    ///< union of what either end keeps; 0 keeps all
  EdgeWeight weight = EdgeWeight::cosine;
  bool strong_only = false;  ///< leave weak signals out of the graph
  /// Bytes that the call may allocate beside the log's columns, its result included; 0: any number.
  /// What does not fit goes through files. Never changes the links.
  std::int64_t memory_limit = 0;
  std::filesystem::path temp_folder;  ///< for those files; empty: the system's
};

/// Undirected links between items, each once: lower < upper, sorted by (lower, upper).
struct ItemLinks {
  Buffer<NodeId> lower;
  Buffer<NodeId> upper;
  Buffer<std::int64_t> count;
  Buffer<float> weight;
};

/// What became of the events and pairs. events = strong + weak, and all of them are weak_left_out,
/// repeats_merged, over_cap, or in the histories that make pairs.
struct CoInteractionReport {
  std::int64_t events = 0;
  std::int64_t strong = 0;
  std::int64_t weak = 0;
  std::int64_t weak_left_out = 0;   ///< by strong_only
  std::int64_t out_of_order = 0;    ///< events before the same user's previous row in time
  std::int64_t repeats_merged = 0;  ///< further events of a user with the same item
  std::int64_t over_cap = 0;        ///< items of a user beyond max_history
  std::int64_t users = 0;           ///< users with at least one event
  std::int64_t single_item_users = 0;
  std::int64_t pairs = 0;  ///< pairs of items counted, summed over users
  std::int64_t links_found = 0;
  std::int64_t below_min_count = 0;
  std::int64_t beyond_top = 0;  ///< links that neither end keeps
  std::int64_t links = 0;
  std::vector<std::int64_t> links_per_type_pair;  ///< (T * T), lower type first

  std::int64_t planned_bytes = 0;  ///< highest memory that the call counted on
  std::int64_t log_passes = 0;     ///< times the log's users were read to find the histories
  std::int64_t runs = 0;           ///< parts of the users whose counts were put on the disk
  std::int64_t spilled_bytes = 0;  ///< written to files
};

/// Counts, for every pair of items, the users who interacted with both within the window, and keeps
/// the strongest links. Each user's events are sorted by time (ties by item), repeats merged into
/// the latest, and cut to the most recent max_history items; every pair counts once per user. Any
/// order of rows gives the same links. Weights are computed in double and compared as float; of
/// equal ones the neighbour with the lower id is kept.
///
/// Under a memory_limit the log is read once per part of the users whose events fit, a log sorted
/// by user once in all. Where the histories of all users fit, pairs are counted in memory; else
/// every part of the users leaves its counts in a file, 4 to 8 bytes per pair of items that it
/// knows, and the parts are added up. A link on its way costs 16 bytes, in the result 20. The files
/// have no name: the system frees them even after a crash.
///
/// Cost: sum over users of (items in the capped history)^2; memory of 16 bytes per event, 8 per
/// event in a history (16 with a window), 12 per item and thread, and the links that are kept.
/// Determinism: any_thread_count, any memory_limit.
/// Throws: ConfigError for an empty log, a setting out of range (max_history < 2 makes no pair), a
/// memory_limit that is too small, with one that is not, or offsets that do not ascend; ShapeError
/// for columns of different length or types of another number of items; IndexError for ids out of
/// range; IoError for a temp_folder that cannot be written to or is full; StoppedError when
/// `progress` returns false; std::bad_alloc, which names memory_limit. Nothing is left behind.
/// Source: De Nadai et al. 2024, section 4.1.1 (arXiv 2403.05185); the pruning is this library's.
RELWEAVE_API ItemLinks co_interaction_links(HostContext const& ctx, InteractionLogView const& log,
                                            ItemTypes const& types,
                                            CoInteractionConfig const& config,
                                            CoInteractionReport* report = nullptr,
                                            ProgressCallback const& progress = {});

/// Node types = item types; one relation "co" for every ordered pair of types, so that each
/// undirected pair of types has both of its directions.
RELWEAVE_API Schema co_interaction_schema(ItemTypes const& types);

/// The graph that holds both directions of every link, with the link's weight. A link of an item
/// with itself is stored once. Throws ShapeError or IndexError for links that do not fit the types.
RELWEAVE_API HeteroGraph link_graph(HostContext const& ctx, ItemTypes const& types,
                                    ItemLinks const& links);

}  // namespace relweave::graph
