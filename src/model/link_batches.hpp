#pragma once

#include <cstdint>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/graph/co_interaction.hpp>
#include <relweave/model/hgnn.hpp>
#include <relweave/sampling/sampled_blocks.hpp>

#include "id_map.hpp"

namespace relweave::model {

/// What a step of the HGNN's training reads, as the host makes it. Rows count the step's `nodes`.
struct LinkBatch {
  Buffer<NodeId> anchors, positives;  // (links) items
  std::vector<NodeId> nodes;          // unique items of the step, ascending
  sampling::SampledBlocks blocks;     // their neighbourhoods

  std::vector<NodeId> anchor_rows;  // (links)
  // For the margin loss.
  Matrix<NodeId> negatives;           // (links, negatives) items
  std::vector<NodeId> positive_rows;  // (links)
  std::vector<NodeId> repeated_rows;  // (links, negatives) each anchor as often as it has negatives
  std::vector<NodeId> negative_rows;  // (links, negatives)
  // For the sampled softmax: the unique positives are the columns of the scores.
  std::vector<NodeId> columns;  // items, ascending
  std::vector<NodeId> column_rows;
  std::vector<NodeId> target;       // (links) column of each positive
  std::vector<float> log_q, count;  // per column

  IdMap rows;  // item -> row in nodes
};

/// Makes the pairs of a step: which end of a link is the anchor, and what it is told apart from.
class LinkBatcher {
 public:
  /// All but `types` is kept by reference.
  LinkBatcher(HgnnConfig const& config, graph::ItemTypes const& types,
              graph::ItemLinks const& links);

  /// Fills all but the blocks from links[chosen]; a function of its arguments.
  void make(HostContext const& ctx, VectorView<std::int64_t const> chosen, std::int64_t step,
            LinkBatch& out) const;

 private:
  void choose_columns(LinkBatch& out) const;

  HgnnConfig const& config_;
  graph::ItemLinks const& links_;
  std::int64_t item_count_;
  std::vector<float> popularity_;  // for the sampled softmax: log share of the ends of the links
};

}  // namespace relweave::model
