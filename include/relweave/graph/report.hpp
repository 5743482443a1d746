#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/graph/hetero_graph.hpp>

namespace relweave::graph {

/// Degrees of the nodes at one end of a relation, nodes without edges included.
struct DegreeSummary {
  static constexpr std::array<double, 4> quantile_levels{0.5, 0.9, 0.99, 0.999};

  std::int64_t nodes = 0;
  double mean = 0;
  std::int64_t max = 0;
  /// Degree that at least this share of the nodes does not exceed.
  std::array<std::int64_t, 4> quantiles{};
  double isolated_share = 0;  ///< nodes without an edge of the relation
};

struct RelationReport {
  RelationId id{};
  std::string name;  ///< source__name__destination
  std::int64_t edges = 0;
  std::int64_t duplicates = 0;  ///< edges beyond the first with the same ends
  std::int64_t self_loops = 0;
  bool weighted = false;
  DegreeSummary in;   ///< of the destinations
  DegreeSummary out;  ///< of the sources
  /// Share of edges (s, d) whose reverse (d, s) is in the relation of the same name in the other
  /// direction: 1 for an undirected graph. None where there is no such relation, or no edge.
  std::optional<double> reciprocity;
};

struct NodeTypeReport {
  std::string name;
  std::int64_t nodes = 0;
  double isolated_share = 0;  ///< nodes without an edge of any relation, in either direction
};

/// What to know about a graph before training on it: sizes, hubs, cold nodes, memory.
struct GraphReport {
  std::vector<NodeTypeReport> node_types;
  std::vector<RelationReport> relations;
  std::int64_t nodes = 0;
  std::int64_t edges = 0;
  std::int64_t memory_bytes = 0;  ///< rows, transposes and weights
};

RELWEAVE_API GraphReport report(HostContext const& ctx, HeteroGraph const& graph);

/// The report as a table of plain text.
RELWEAVE_API std::string to_text(GraphReport const& report);

}  // namespace relweave::graph
