// From sampled edges of the graph to blocks: numbering of sources and message rows, and views.
#include <relweave/sampling/sampled_blocks.hpp>

#include <string>

#include <relweave/core/error.hpp>
#include <relweave/sampling/neighbor.hpp>

namespace relweave::sampling {

VectorView<NodeId const> SampledBlocks::input_nodes(NodeTypeId type) const {
  auto const types = layers_.empty() ? 0 : std::ssize(layers_.front().sources);
  if (index(type) < 0 || index(type) >= types) {
    raise<IndexError>("SampledBlocks.input_nodes", "type", std::to_string(index(type)),
                      "values in [0, " + std::to_string(types) + ")");
  }
  auto const& nodes = layers_.front().sources[static_cast<std::size_t>(index(type))];
  return {nodes.data(), std::ssize(nodes)};
}

void SampledBlocks::make_views() {
  views_.clear();
  for (Layer& layer : layers_) {
    layer.blocks.clear();
    layer.source_counts.clear();
    for (std::size_t t = 0; t < layer.destinations.size(); ++t) {
      Destination& d = layer.destinations[t];
      std::int64_t message_rows = 0;
      for (std::size_t r = 0; r < d.relations.size(); ++r) {
        d.relations[r].message_base = message_rows;
        d.relations[r].message_rows = std::ssize(d.source_rows[r]);
        d.relations[r].source_rows = {d.source_rows[r].data(), std::ssize(d.source_rows[r])};
        message_rows += d.relations[r].message_rows;
      }
      layer.blocks.push_back(
          {.type = static_cast<NodeTypeId>(t),
           .csr = {.row_offsets = {d.row_offsets.data(), std::ssize(d.row_offsets)},
                   .cols = {d.cols.data(), std::ssize(d.cols)},
                   .n_dst = layer.n_dst[t],
                   .relations = static_cast<std::int32_t>(d.relations.size()),
                   .message_rows = message_rows},
           .relations = d.relations});
      layer.source_counts.push_back(std::ssize(layer.sources[t]));
    }
    views_.push_back({.destinations = layer.blocks, .n_src = layer.source_counts});
  }
}

void NeighborSampler::number_sources(SampledBlocks::Layer& layer) {
  for (std::size_t t = 0; t < position_.size(); ++t) {
    for (std::size_t k = 0; k < layer.sources[t].size(); ++k) {
      position_[t][static_cast<std::size_t>(layer.sources[t][k])] = static_cast<NodeId>(k);
    }
  }
  for (std::size_t t = 0; t < position_.size(); ++t) {
    number_sources(t, layer);
  }
  for (std::size_t t = 0; t < position_.size(); ++t) {
    for (NodeId const node : layer.sources[t]) {
      position_[t][static_cast<std::size_t>(node)] = -1;
    }
  }
}

void NeighborSampler::number_sources(std::size_t type, SampledBlocks::Layer& layer) {
  SampledBlocks::Destination& d = layer.destinations[type];
  auto const relations = graph_.block().destinations[type].relations;
  d.relations.assign(relations.begin(), relations.end());
  d.source_rows.resize(relations.size());
  for (auto& rows : d.source_rows) {
    rows.clear();
  }
  auto const each_edge = [&](auto const& fn) {
    for (std::size_t row = 0, r = 0; row + 1 < d.row_offsets.size(); ++row) {
      for (EdgeOffset e = d.row_offsets[row]; e < d.row_offsets[row + 1]; ++e) {
        fn(r, d.cols[static_cast<std::size_t>(e)]);
      }
      r = r + 1 == relations.size() ? 0 : r + 1;
    }
  };

  // Unique sources of each relation, in the order of their first edge.
  each_edge([&](std::size_t r, NodeId& col) {
    NodeId& number = message_row_[static_cast<std::size_t>(col)];
    if (number < 0) {
      auto const s = static_cast<std::size_t>(index(relations[r].source));
      auto const node = static_cast<NodeId>(col - relations[r].message_base);
      NodeId& place = position_[s][static_cast<std::size_t>(node)];
      if (place < 0) {
        place = static_cast<NodeId>(layer.sources[s].size());
        layer.sources[s].push_back(node);
      }
      number = static_cast<NodeId>(d.source_rows[r].size());
      d.source_rows[r].push_back(place);
    }
    col = number;
  });
  std::int64_t base = 0;
  for (std::size_t r = 0; r < relations.size(); ++r) {
    d.relations[r].message_base = base;
    base += std::ssize(d.source_rows[r]);
  }
  each_edge([&](std::size_t r, NodeId& col) {
    col = static_cast<NodeId>(col + d.relations[r].message_base);
  });
  // Leave the map empty for the next type: every numbered message is one of these.
  for (std::size_t r = 0; r < relations.size(); ++r) {
    auto const s = static_cast<std::size_t>(index(relations[r].source));
    for (NodeId const place : d.source_rows[r]) {
      NodeId const node = layer.sources[s][static_cast<std::size_t>(place)];
      message_row_[static_cast<std::size_t>(relations[r].message_base + node)] = -1;
    }
  }
}

}  // namespace relweave::sampling
