#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>
#include <relweave/graph/csr.hpp>
#include <relweave/graph/hetero_graph.hpp>

namespace relweave::sampling {

struct NeighborSamplerConfig {
  /// Neighbours per node and relation, one number per layer of the network, input side first.
  std::vector<std::int32_t> fanouts;
};

/// Undirected links, as pairs of nodes counted over all types (types in schema order), that must
/// not carry messages in either direction: the links a training step is to predict.
struct ExcludedLinks {
  VectorView<NodeId const> a;
  VectorView<NodeId const> b;
};

struct SampleOptions {
  ExcludedLinks excluded;
  float node_drop = 0;  ///< probability that a node loses its whole neighbourhood in this step
};

/// The blocks of one sample, input side first: layer l + 1 reads what layer l wrote. In every
/// source list the destinations come first. Buffers are reused by the next sample.
class RELWEAVE_API SampledBlocks {
 public:
  std::span<BlockView const> blocks() const { return views_; }
  /// Graph nodes of one type whose input features the first layer reads.
  VectorView<NodeId const> input_nodes(NodeTypeId type) const;

 private:
  friend class NeighborSampler;

  /// The sampled neighbours of the destinations of one type.
  struct Destination {
    std::vector<EdgeOffset> row_offsets;
    std::vector<NodeId> cols;
    std::vector<RelationBlock> relations;
    std::vector<std::vector<NodeId>> source_rows;  // per relation
  };
  struct Layer {
    std::vector<Destination> destinations;     // per type
    std::vector<std::vector<NodeId>> sources;  // per type: graph nodes, destinations first
    std::vector<std::int64_t> source_counts;   // per type
    std::vector<DestinationBlock> blocks;      // per type
  };

  std::vector<Layer> layers_;
  std::vector<BlockView> views_;
};

/// Uniform neighbour sampling without replacement, anew in every call: at most `fanout` neighbours
/// per destination and relation, all of them when there are no more. Seeds may be of several types.
/// The blocks are in the aggregation's layout with every unique (relation, source) once.
/// Determinism: any_thread_count; each row is a function of (seed, step, layer, node, relation).
/// Source: Hamilton et al. 2017, GraphSAGE, algorithm 2 (arXiv 1706.02216).
class RELWEAVE_API NeighborSampler {
 public:
  /// The graph must outlive the sampler.
  NeighborSampler(graph::HeteroGraph const& graph, NeighborSamplerConfig config);

  /// seeds: unique nodes per type, the destinations of the last layer.
  void sample(HostContext const& ctx, std::span<VectorView<NodeId const> const> seeds,
              std::uint64_t seed, std::uint64_t step, SampleOptions const& options,
              SampledBlocks& out);

 private:
  struct Draw;  // what the random numbers and exclusions of one layer depend on

  void sort_excluded(ExcludedLinks const& excluded);
  void sample_rows(HostContext const& ctx, Draw const& draw, NodeTypeId type,
                   std::span<NodeId const> nodes, SampledBlocks::Destination& out) const;
  void number_sources(SampledBlocks::Layer& layer);

  graph::HeteroGraph const& graph_;
  NeighborSamplerConfig config_;
  std::vector<std::int64_t> type_offsets_;           // nodes of all types, counted together
  std::vector<std::vector<NodeId>> position_;        // per type: node -> row in the sources, or -1
  std::vector<NodeId> message_row_;                  // message row of the graph -> of the block
  std::vector<std::pair<NodeId, NodeId>> excluded_;  // both directions of each link, sorted
};

}  // namespace relweave::sampling
