#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>
#include <relweave/graph/csr.hpp>
#include <relweave/graph/hetero_graph.hpp>
#include <relweave/sampling/sampled_blocks.hpp>

namespace relweave::sampling {

/// A fanout that no node's degree exceeds.
inline constexpr std::int32_t all_neighbors = std::numeric_limits<std::int32_t>::max();

struct NeighborSamplerConfig {
  /// Neighbours per node and relation, one number per layer of the network, input side first.
  std::vector<std::int32_t> fanouts;
  /// Fanouts by relation, [layer][relation], in place of `fanouts` for the layers whose list is not
  /// empty; 0 leaves a relation out. Empty: `fanouts` for all.
  std::vector<std::vector<std::int32_t>> relation_fanouts;
  /// Draw every neighbour anew, `fanout` of them even where a node has fewer (but at least one).
  bool replace = false;
};

/// Undirected links, as pairs of nodes counted over all types (types in schema order), that must
/// not carry messages in either direction: the links a training step is to predict.
struct ExcludedLinks {
  VectorView<NodeId const> a;
  VectorView<NodeId const> b;
};

struct SampleOptions {
  ExcludedLinks excluded;
  /// Probability that a node loses its whole neighbourhood, in all layers, in this step: what
  /// prepares a network for nodes without edges.
  float node_drop = 0;
};

/// Uniform neighbour sampling, anew in every call: at most `fanout` neighbours per destination and
/// relation, all of them when there are no more. Seeds may be of several types. The blocks are in
/// the aggregation's layout, with one message row per unique (relation, source); inside a row,
/// neighbours ascend as in the graph.
/// Determinism: any_thread_count; each row is a function of (seed, step, layer, relation, node) and
/// of what it may draw from.
/// Cost: proportional to the sampled edges, except that nodes with excluded links look at all of
/// their edges. Maps over all nodes and message rows are held, and cleared by what was set.
/// One sampler serves one caller at a time.
/// Source: Hamilton et al. 2017, GraphSAGE, algorithm 2 (arXiv 1706.02216).
class RELWEAVE_API NeighborSampler {
 public:
  /// The graph must outlive the sampler. Throws ConfigError for no layer, a negative fanout, or
  /// `replace` with all_neighbors; ShapeError for relation_fanouts of another size.
  NeighborSampler(graph::HeteroGraph const& graph, NeighborSamplerConfig config);

  /// seeds: unique nodes per type, the destinations of the last layer.
  /// Throws ShapeError for another number of lists than node types or excluded lists of different
  /// length, IndexError for ids out of range, GraphError for a seed given twice, ConfigError for a
  /// node_drop outside [0, 1].
  void sample(HostContext const& ctx, std::span<VectorView<NodeId const> const> seeds,
              std::uint64_t seed, std::uint64_t step, SampleOptions const& options,
              SampledBlocks& out);

 private:
  /// What the random numbers of one layer depend on.
  struct Draw {
    std::uint64_t layer_seed;
    std::uint64_t drop_seed;
    float node_drop;
    std::span<std::int32_t const> fanouts;  // per relation of the schema
  };

  /// The messages of a relation in the graph that a sample reads; no flag is set between samples.
  struct ReadRows {
    static constexpr std::int64_t line = 64;
    explicit ReadRows(std::int64_t size);

    std::vector<std::uint8_t> rows;   // flags, whole lines
    std::vector<std::uint8_t> lines;  // flags: there is such a row, look for it
    bool listed = false;              // their sources are known, lines have no flag
  };

  void check(std::span<VectorView<NodeId const> const> seeds, SampleOptions const& options);
  void sort_excluded(ExcludedLinks const& excluded);
  template <typename Fn>
  void each_row(Draw const& draw, std::size_t type, std::span<NodeId const> nodes,
                std::int64_t begin, std::int64_t end, Fn const& fn) const;
  void sample_rows(HostContext const& ctx, Draw const& draw, SampledBlocks::Layer& layer) const;
  void number_sources(HostContext const& ctx, SampledBlocks::Layer& layer);
  std::int64_t find_messages(std::size_t type, std::size_t r, SampledBlocks::Destination& d);
  void number_messages(std::size_t type, std::size_t r, SampledBlocks::Destination& d);
  void place_sources(std::size_t source, SampledBlocks::Layer& layer);

  graph::HeteroGraph const& graph_;
  std::vector<std::vector<std::int32_t>> fanouts_;  // [layer][relation]
  bool replace_;
  std::vector<std::int64_t> type_offsets_;           // nodes of all types, counted together
  std::vector<std::vector<NodeId>> position_;        // per type: node -> row in the sources, or -1
  std::vector<Buffer<NodeId>> message_row_;          // per type: row of the graph -> of the block
  std::vector<std::vector<ReadRows>> read_;          // per type and relation
  std::vector<std::pair<NodeId, NodeId>> excluded_;  // both directions of each link, sorted
};

}  // namespace relweave::sampling
