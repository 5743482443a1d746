#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>
#include <relweave/graph/hetero_graph.hpp>

/// Graphs from graphs. Each function reads a frozen graph and builds a new one, in time
/// proportional to its edges. Determinism: any_thread_count.
namespace relweave::graph {

/// Edges of one relation as columns (coordinate format).
struct EdgeColumns {
  Buffer<NodeId> source;
  Buffer<NodeId> destination;
  Buffer<float> weights;  ///< empty for a relation without weights
};

/// The edges of a relation by destination, then source; duplicates as they were added.
RELWEAVE_API EdgeColumns to_edges(HeteroGraph const& graph, RelationId relation);

/// The name of a relation's reverse.
struct ReverseName {
  RelationId relation{};
  std::string name;
};

/// Adds for each named relation (a, r, b) its reverse (b, name, a), with the same weights, after
/// the existing relations. Throws GraphError when a relation of that name exists already.
RELWEAVE_API HeteroGraph add_reverse(HostContext const& ctx, HeteroGraph const& graph,
                                     std::span<ReverseName const> reverses);
/// Adds the reverse of every relation, named by appending `suffix`.
RELWEAVE_API HeteroGraph add_reverse(HostContext const& ctx, HeteroGraph const& graph,
                                     std::string_view suffix);

/// The weight of an edge that stands for several.
enum class DuplicateWeight { first, sum, max };

/// Keeps one of the edges with the same relation, source and destination.
RELWEAVE_API HeteroGraph remove_duplicate_edges(HostContext const& ctx, HeteroGraph const& graph,
                                                DuplicateWeight weight = DuplicateWeight::sum);

/// Removes the edges of a node with itself, in relations from a type to itself.
RELWEAVE_API HeteroGraph remove_self_loops(HostContext const& ctx, HeteroGraph const& graph);

/// The graph of the given nodes and the edges between them. Node k of a type is nodes[type][k].
/// Throws ShapeError for another number of lists than types, IndexError for ids out of range,
/// GraphError for a node given twice.
RELWEAVE_API HeteroGraph induced_subgraph(HostContext const& ctx, HeteroGraph const& graph,
                                          std::span<VectorView<NodeId const> const> nodes);

/// Keeps of every destination's edges, relation by relation, the k with the highest weights; of
/// equal ones those with the lower source. Edges of relations without weights all weigh 1.
/// The co-interaction graph is pruned before it is built, by the union of both ends
/// (CoInteractionConfig::top_neighbors); this function prunes each direction for itself.
/// Throws ConfigError for k < 1.
RELWEAVE_API HeteroGraph top_neighbors(HostContext const& ctx, HeteroGraph const& graph,
                                       std::int32_t k);

}  // namespace relweave::graph
