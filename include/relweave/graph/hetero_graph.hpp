#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/types.hpp>
#include <relweave/graph/csr.hpp>
#include <relweave/graph/schema.hpp>

namespace relweave::graph {

/// Frozen heterogeneous graph: validated once by HeteroGraphBuilder, never mutated; any number of
/// node types and relations; duplicate edges and self loops are kept. Moves, does not copy.
class RELWEAVE_API HeteroGraph {
 public:
  HeteroGraph() = default;

  Schema const& schema() const { return schema_; }
  std::int64_t node_count(NodeTypeId type) const;
  std::int64_t node_count() const;
  std::int64_t edge_count(RelationId relation) const;
  std::int64_t edge_count() const;
  bool has_weights(RelationId relation) const;

  /// Incoming edges of one destination type. Inside a row, neighbours ascend by source id, and
  /// duplicates keep the order in which they were added.
  RelationCsrView<> csr(NodeTypeId destination) const;
  /// Transpose of csr(destination), built with the graph.
  RelationCscView<> csc(NodeTypeId destination) const;
  /// Edge weights in the order of csr(destination).cols; edges of a relation without weights
  /// have 1. Empty when no relation into `destination` has weights.
  VectorView<float const> weights(NodeTypeId destination) const;

  /// The whole graph as one block: every node a destination, every source transformed. CompactBlock
  /// leaves out what no edge reads.
  BlockView block() const;

 private:
  friend class HeteroGraphBuilder;

  struct Incoming {
    Buffer<EdgeOffset> row_offsets;
    Buffer<NodeId> cols;
    Buffer<float> weights;
    Buffer<EdgeOffset> col_offsets;
    Buffer<std::int64_t> csr_rows;
    Buffer<std::int32_t> slots;
    std::int64_t message_rows = 0;
    std::vector<RelationBlock> relations;
  };

  Schema schema_;
  std::vector<std::int64_t> node_counts_;
  std::vector<std::int64_t> edge_counts_;
  std::vector<bool> weighted_;
  std::vector<Incoming> incoming_;
  std::vector<DestinationBlock> destinations_;
};

}  // namespace relweave::graph
