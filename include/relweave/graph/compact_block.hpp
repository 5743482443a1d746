#pragma once

#include <cstdint>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/graph/csr.hpp>

namespace relweave::graph {

struct CompactBlockOptions {
  /// A relation whose edges read less than this share of its message rows is compacted. A message
  /// less saves a product with the weights, and two more on the way back; a selected one has its
  /// features gathered and their gradients scattered. A layer with all gradients then takes 0.94 of
  /// the time where 70 % of the rows are read with 32 features, 0.87 with 64 and 0.81 with 128;
  /// where 30 % are, 0.60, 0.50 and 0.43; where 85 % are, 1.09, 0.99 and 0.89.
  double share = 0.7;
};

/// A block, a whole graph as a rule, whose relations make messages of the sources that their edges
/// read alone, where these are few: message rows keep their order, and neighbours their slots, so
/// that a layer's outputs stay the same, bit by bit. With many relations most pairs of a relation
/// and a source have no edge. Made once per graph and reused; refers to the block it was made of.
class RELWEAVE_API CompactBlock {
 public:
  CompactBlock() = default;
  /// Throws ShapeError unless the message rows of a type's relations lie back to back and are those
  /// of its csr, IndexError for a neighbour outside them.
  CompactBlock(HostContext const& ctx, BlockView const& block,
               CompactBlockOptions const& options = {});

  BlockView view() const { return {.destinations = destinations_, .n_src = n_src_}; }

 private:
  struct Rows {
    Buffer<NodeId> cols;
    Buffer<NodeId> source_rows;
    std::vector<RelationBlock> relations;
  };

  void compact(HostContext const& ctx, CompactBlockOptions const& options,
               DestinationBlock& destination, Rows& rows);

  std::vector<Rows> rows_;  // per destination type; empty where nothing changed
  std::vector<DestinationBlock> destinations_;
  std::vector<std::int64_t> n_src_;
};

}  // namespace relweave::graph
