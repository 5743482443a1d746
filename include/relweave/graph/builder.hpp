#pragma once

#include <cstdint>
#include <vector>

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>
#include <relweave/graph/hetero_graph.hpp>
#include <relweave/graph/schema.hpp>

namespace relweave::graph {

/// Collects edges, validates them, and freezes them into a HeteroGraph.
class RELWEAVE_API HeteroGraphBuilder {
 public:
  /// node_counts: nodes of each type, in schema order. Throws ShapeError for another number of
  /// counts, GraphError for a negative one or more nodes than NodeId holds.
  HeteroGraphBuilder(Schema schema, std::vector<std::int64_t> node_counts);

  /// Adds edges of one relation; ids are copied. May be called many times per relation, always
  /// with weights or always without. Throws ShapeError for different lengths, IndexError for an id
  /// outside its type, GraphError for a weight that is not finite.
  void add_edges(RelationId relation, VectorView<NodeId const> source,
                 VectorView<NodeId const> destination, VectorView<float const> weights = {});

  /// Sorts the edges into the layout of HeteroGraph: two counting sorts per relation and one per
  /// transpose. The builder is left empty: without types.
  /// Determinism: any_thread_count.
  /// Throws GraphError when the relations into one type need more message rows than NodeId holds;
  /// the builder then keeps its edges.
  HeteroGraph build(HostContext const& ctx);

 private:
  HeteroGraphBuilder() = default;

  struct Edges {
    std::vector<NodeId> source;
    std::vector<NodeId> destination;
    std::vector<float> weights;
    bool weighted = false;
  };

  Edges const& edges_of(RelationId relation) const {
    return edges_[static_cast<std::size_t>(index(relation))];
  }
  void lay_out(NodeTypeId type, HeteroGraph::Incoming& in) const;
  void count_rows(NodeTypeId type, HeteroGraph::Incoming& in) const;
  void fill_rows(RelationId relation, HeteroGraph::Incoming& in) const;
  static void transpose(HeteroGraph::Incoming& in);

  Schema schema_;
  std::vector<std::int64_t> node_counts_;
  std::vector<Edges> edges_;  // per relation
};

}  // namespace relweave::graph
