#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/graph/co_interaction.hpp>
#include <relweave/graph/hetero_graph.hpp>

/// Made-up data for tests, examples and benchmarks. A function of the configuration alone: same
/// bits for any number of threads.
namespace relweave::graph {

struct SyntheticGraphConfig {
  std::vector<std::int64_t> node_counts;  ///< per node type
  std::vector<std::int64_t> edge_counts;  ///< per relation
  /// The node of rank k (its id) is an end with probability proportional to (k + 1)^-exponent:
  /// 0 is uniform, about 1 gives the hubs of real graphs.
  double source_exponent = 0;
  double destination_exponent = 0;
  bool weights = false;  ///< uniform in [0, 1)
  std::uint64_t seed = 0;
};

/// Independent random edges; duplicates and self loops occur.
/// Throws ShapeError for counts that do not match the schema, ConfigError for edges between types
/// without nodes, negative edge counts, or exponents that are negative or not finite.
RELWEAVE_API HeteroGraph synthetic_graph(HostContext const& ctx, Schema const& schema,
                                         SyntheticGraphConfig const& config);

struct SyntheticLogConfig {
  std::int64_t users = 2000;
  std::vector<std::string> type_names{"podcast", "audiobook", "music"};
  std::vector<std::int64_t> items_per_type{300, 150, 50};
  std::int64_t tastes = 8;
  /// Events per user: 1 + a geometric-like number with this mean less 1, so some users have one
  /// event and few have many.
  double mean_events = 20;
  /// Probability that an event is of one of the user's own two tastes (two thirds of the first).
  double taste_strength = 0.85;
  /// Within a type and taste, the item of rank k is taken proportionally to (k + 1)^-exponent.
  double popularity_exponent = 0.8;
  double strong_share = 0.8;
  std::int64_t first_time = 1'600'000'000;  ///< seconds since 1970
  std::int64_t duration_seconds = 365 * 86'400;
  std::int64_t feature_count = 32;
  /// Length of the noise in an item's features beside a taste part of length 1.
  double feature_noise = 0.7;
  std::uint64_t seed = 0;
};

/// A log with a structure to find: users have two tastes and preferences over item types, items
/// have one taste and a popularity, and features tell an item's taste (and type) through noise.
struct RELWEAVE_API SyntheticLog {
  ItemTypes types;
  std::int64_t user_count = 0;
  Buffer<NodeId> user;  // ascending; of each user by time
  Buffer<NodeId> item;
  Buffer<std::int64_t> time;
  Buffer<std::uint8_t> strong;
  Matrix<float> features;              // (items, feature_count), unit rows
  std::vector<std::int32_t> taste_of;  // of every item: what was planted

  InteractionLogView view() const;
};

/// Throws ConfigError for settings out of range, ShapeError for other numbers of names than counts.
RELWEAVE_API SyntheticLog synthetic_log(HostContext const& ctx, SyntheticLogConfig const& config);

}  // namespace relweave::graph
