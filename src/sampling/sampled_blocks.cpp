// From sampled edges of the graph to blocks: numbering of sources and message rows, and views.
#include <relweave/sampling/sampled_blocks.hpp>

#include <algorithm>
#include <string>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/simd.hpp>
#include <relweave/sampling/neighbor.hpp>

namespace relweave::sampling {

namespace {

constexpr std::int64_t nodes_per_task = 1024;

constexpr std::int64_t rows_ahead = 16;

}  // namespace

VectorView<NodeId const> SampledBlocks::input_nodes(NodeTypeId type) const {
  auto const types = layers_.empty() ? 0 : std::ssize(layers_.front().sources);
  if (index(type) < 0 || index(type) >= types) {
    raise<IndexError>("SampledBlocks.input_nodes", "type", std::to_string(index(type)),
                      "values in [0, " + std::to_string(types) + ")");
  }
  auto const& nodes = layers_.front().sources[static_cast<std::size_t>(index(type))];
  return {nodes.data(), std::ssize(nodes)};
}

void SampledBlocks::append_parts(std::size_t type, std::int64_t n, std::int64_t grain,
                                 std::vector<Part>& parts) {
  for (std::int64_t begin = 0; begin < n; begin += grain) {
    parts.push_back({type, begin, std::min(begin + grain, n)});
  }
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
        d.relations[r].source_rows = std::as_const(d.source_rows[r]).view();
        message_rows += d.relations[r].message_rows;
      }
      layer.blocks.push_back({.type = static_cast<NodeTypeId>(t),
                              .csr = {.row_offsets = d.row_offsets.view(),
                                      .cols = d.cols.view(),
                                      .n_dst = layer.n_dst[t],
                                      .relations = static_cast<std::int32_t>(d.relations.size()),
                                      .message_rows = message_rows},
                              .relations = d.relations});
      layer.source_counts.push_back(std::ssize(layer.sources[t]));
    }
    views_.push_back({.destinations = layer.blocks, .n_src = layer.source_counts});
  }
}

/// From edges of the graph to edges of the block: a relation's unique sources get their message
/// rows; then these are laid back to back, while a type's sources get places in its list.
void NeighborSampler::number_sources(HostContext const& ctx, SampledBlocks::Layer& layer) {
  std::size_t const types = position_.size();
  layer.relation_parts.clear();
  layer.node_parts.clear();
  for (std::size_t t = 0; t < types; ++t) {
    SampledBlocks::Destination& d = layer.destinations[t];
    auto const all = graph_.block().destinations[t].relations;
    d.relations.assign(all.begin(), all.end());
    d.source_rows.resize(all.size());
    SampledBlocks::append_parts(t, std::ssize(all), 1, layer.relation_parts);
    SampledBlocks::append_parts(t, layer.n_dst[t], nodes_per_task, layer.node_parts);
  }
  parallel_for(ctx, std::ssize(layer.relation_parts), [&](std::int64_t k) {
    auto const& part = layer.relation_parts[static_cast<std::size_t>(k)];
    number_messages(part.type, static_cast<std::size_t>(part.begin), layer.destinations[part.type]);
  });
  for (SampledBlocks::Destination& d : layer.destinations) {
    std::int64_t base = 0;
    for (std::size_t r = 0; r < d.relations.size(); ++r) {
      d.relations[r].message_base = base;
      d.relations[r].message_rows = d.source_rows[r].size();
      base += d.relations[r].message_rows;
    }
  }
  auto const places = static_cast<std::int64_t>(types);
  parallel_for(ctx, places + std::ssize(layer.node_parts), [&](std::int64_t k) {
    if (k < places) {
      place_sources(static_cast<std::size_t>(k), layer);
      return;
    }
    auto const& part = layer.node_parts[static_cast<std::size_t>(k - places)];
    SampledBlocks::Destination& d = layer.destinations[part.type];
    EdgeOffset const* const offsets = d.row_offsets.data();
    auto const relations = std::ssize(d.relations);
    for (std::int64_t first = part.begin * relations; first < part.end * relations;) {
      for (RelationBlock const& relation : d.relations) {
        auto const base = static_cast<NodeId>(relation.message_base);
        std::for_each(d.cols.data() + offsets[first], d.cols.data() + offsets[first + 1],
                      [base](NodeId& col) { col += base; });
        ++first;
      }
    }
  });
}

/// Unique sources of a relation, in the order of their first edge, as nodes of the graph; columns
/// become numbers of these.
void NeighborSampler::number_messages(std::size_t type, std::size_t r,
                                      SampledBlocks::Destination& d) {
  RelationBlock const& relation = graph_.block().destinations[type].relations[r];
  NodeId* const number_of = message_row_[type].data();
  EdgeOffset const* const offsets = d.row_offsets.data();
  NodeId* const cols = d.cols.data();
  std::int64_t const rows = d.row_offsets.size() - 1;
  std::int64_t const r_count = std::ssize(d.relations);
  d.source_rows[r].reset(std::min(relation.message_rows, d.cols.size()) + 1);
  NodeId* const sources = d.source_rows[r].data();  // an edge of a known source writes behind them
  NodeId count = 0;
  bool fresh = true;  // the row before had new sources, so this one is likely to have some
  for (auto row = static_cast<std::int64_t>(r); row < rows; row += r_count) {
    // Rows of other relations lie in between, so the processor does not fetch ahead by itself.
    simd::prefetch(cols + offsets[std::min(row + rows_ahead * r_count, rows)], 64);
    EdgeOffset e = offsets[row];
    EdgeOffset const end = offsets[row + 1];
    if (!fresh) {
      for (NodeId number = 0; e < end && (number = number_of[cols[e]]) >= 0; ++e) {
        cols[e] = number;
      }
    }
    // Which of the others are new cannot be foretold: no branch there.
    NodeId const before = count;
    for (; e < end; ++e) {
      NodeId const col = cols[e];
      NodeId number = number_of[col];
      NodeId const first = number < 0 ? -1 : 0;
      sources[count] = static_cast<NodeId>(col - relation.message_base);
      number += (count - number) & first;
      count -= first;
      number_of[col] = number;
      cols[e] = number;
    }
    fresh = count != before;
  }
  d.source_rows[r].reset(count);
  for (NodeId const node : d.source_rows[r].view()) {  // leave the map empty for the next sample
    number_of[relation.message_base + node] = -1;
  }
}

/// Appends new sources of a type to its list, relation after relation; source rows become places
/// in the list.
void NeighborSampler::place_sources(std::size_t source, SampledBlocks::Layer& layer) {
  auto& place_of = position_[source];
  auto& nodes = layer.sources[source];
  for (std::size_t k = 0; k < nodes.size(); ++k) {
    place_of[static_cast<std::size_t>(nodes[k])] = static_cast<NodeId>(k);
  }
  for (SampledBlocks::Destination& d : layer.destinations) {
    for (std::size_t r = 0; r < d.relations.size(); ++r) {
      if (static_cast<std::size_t>(index(d.relations[r].source)) != source) {
        continue;
      }
      for (NodeId& row : d.source_rows[r].view()) {
        NodeId& place = place_of[static_cast<std::size_t>(row)];
        if (place < 0) {
          place = static_cast<NodeId>(nodes.size());
          nodes.push_back(row);
        }
        row = place;
      }
    }
  }
  for (NodeId const node : nodes) {
    place_of[static_cast<std::size_t>(node)] = -1;
  }
}

}  // namespace relweave::sampling
