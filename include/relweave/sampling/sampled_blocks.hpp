#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>
#include <relweave/graph/csr.hpp>

namespace relweave::sampling {

/// The blocks of one sample, input side first: layer l + 1 reads what layer l wrote. In every
/// source list the destinations come first. Buffers are reused by the next sample; views end then.
class RELWEAVE_API SampledBlocks {
 public:
  SampledBlocks() = default;
  SampledBlocks(SampledBlocks&&) = default;
  SampledBlocks& operator=(SampledBlocks&&) = default;
  SampledBlocks(SampledBlocks const&) = delete;  // the views point into the buffers
  SampledBlocks& operator=(SampledBlocks const&) = delete;
  ~SampledBlocks() = default;

  /// One per layer; none before the first sample.
  std::span<BlockView const> blocks() const { return views_; }
  /// Graph nodes of one type whose input features the first layer reads; the first
  /// blocks()[0].destinations[type].csr.n_dst of them are its destinations.
  /// Throws IndexError for a type the sample does not have.
  VectorView<NodeId const> input_nodes(NodeTypeId type) const;

 private:
  friend class NeighborSampler;

  /// The sampled neighbours of the destinations of one type.
  struct Destination {
    Buffer<EdgeOffset> row_offsets;
    Buffer<NodeId> cols;
    std::vector<RelationBlock> relations;
    std::vector<Buffer<NodeId>> source_rows;  // per relation
  };
  /// A piece of work on one type: some destinations, relations or rows.
  struct Part {
    std::size_t type;
    std::int64_t begin;
    std::int64_t end;
    EdgeOffset first_edge = 0;  // of destinations
  };
  struct Layer {
    std::vector<Destination> destinations;     // per type
    std::vector<std::vector<NodeId>> sources;  // per type: graph nodes, destinations first
    std::vector<std::int64_t> source_counts;   // per type
    std::vector<std::int64_t> n_dst;           // per type
    std::vector<DestinationBlock> blocks;      // per type
    std::vector<Part> node_parts, relation_parts;
  };

  static void append_parts(std::size_t type, std::int64_t n, std::int64_t grain,
                           std::vector<Part>& parts);

  void make_views();

  std::vector<Layer> layers_;
  std::vector<BlockView> views_;
};

}  // namespace relweave::sampling
