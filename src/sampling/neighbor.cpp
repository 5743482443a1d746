#include <relweave/sampling/neighbor.hpp>

#include <algorithm>
#include <numeric>
#include <string>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/random.hpp>

namespace relweave::sampling {

namespace {

constexpr std::string_view here = "NeighborSampler";
constexpr std::int64_t nodes_per_task = 64;

/// A seed of its own for every (seed, step, layer).
std::uint64_t derived_seed(std::uint64_t seed, std::uint64_t step, std::uint64_t layer) {
  auto const block = philox4x32(
      {static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(step >> 32),
       static_cast<std::uint32_t>(layer), static_cast<std::uint32_t>(Purpose::neighbor_sampling)},
      {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  return (std::uint64_t{block[0]} << 32) | block[1];
}

/// `count` different numbers below `n`, count < n: Floyd's algorithm.
void choose(RandomStream& random, std::int64_t n, std::int64_t count, NodeId* out) {
  for (std::int64_t k = 0; k < count; ++k) {
    auto const last = static_cast<NodeId>(n - count + k);
    auto const pick = static_cast<NodeId>(random.below(static_cast<std::uint32_t>(last) + 1));
    out[k] = std::find(out, out + k, pick) == out + k ? pick : last;
  }
}

}  // namespace

struct NeighborSampler::Draw {
  std::uint64_t layer_seed;
  std::uint64_t step_seed;
  float node_drop;
  std::int32_t fanout;
};

VectorView<NodeId const> SampledBlocks::input_nodes(NodeTypeId type) const {
  auto const& nodes = layers_.front().sources[static_cast<std::size_t>(index(type))];
  return {nodes.data(), std::ssize(nodes)};
}

NeighborSampler::NeighborSampler(graph::HeteroGraph const& graph, NeighborSamplerConfig config)
    : graph_(graph), config_(std::move(config)) {
  if (config_.fanouts.empty()) {
    raise<ConfigError>(here, "fanouts", "none", "one per layer of the network");
  }
  for (std::int32_t const fanout : config_.fanouts) {
    if (fanout < 1) {
      raise<ConfigError>(here, "fanouts", std::to_string(fanout), "at least 1");
    }
  }
  type_offsets_.push_back(0);
  std::int64_t most_rows = 0;
  for (std::int32_t t = 0; t < graph.schema().node_type_count(); ++t) {
    auto const type = static_cast<NodeTypeId>(t);
    type_offsets_.push_back(type_offsets_.back() + graph.node_count(type));
    position_.emplace_back(static_cast<std::size_t>(graph.node_count(type)), -1);
    most_rows = std::max(most_rows, graph.csr(type).message_rows);
  }
  message_row_.assign(static_cast<std::size_t>(most_rows), -1);
}

void NeighborSampler::sort_excluded(ExcludedLinks const& excluded) {
  expect_size(here, "excluded.b", excluded.b, excluded.a.size);
  excluded_.clear();
  for (std::int64_t k = 0; k < excluded.a.size; ++k) {
    excluded_.emplace_back(excluded.a[k], excluded.b[k]);
    excluded_.emplace_back(excluded.b[k], excluded.a[k]);
  }
  std::sort(excluded_.begin(), excluded_.end());
}

void NeighborSampler::sample_rows(HostContext const& ctx, Draw const& draw, NodeTypeId type,
                                  std::span<NodeId const> nodes,
                                  SampledBlocks::Destination& out) const {
  auto const csr = graph_.csr(type);
  auto const& relations =
      graph_.block().destinations[static_cast<std::size_t>(index(type))].relations;
  std::int64_t const r_count = csr.relations;
  std::int64_t const type_offset = type_offsets_[static_cast<std::size_t>(index(type))];

  // Calls fn(row of the block, the graph's neighbours that may be drawn) for the rows of a node.
  auto const each_row = [&](std::int64_t k, std::vector<NodeId>& allowed, auto const& fn) {
    NodeId const node = nodes[static_cast<std::size_t>(k)];
    auto const global = static_cast<NodeId>(type_offset + node);
    bool const dropped = draw.node_drop > 0 && RandomStream(draw.step_seed, Purpose::node_dropout,
                                                            static_cast<std::uint64_t>(global))
                                                       .uniform_float() < draw.node_drop;
    auto const first =
        std::lower_bound(excluded_.begin(), excluded_.end(), std::pair(global, NodeId{0}));
    auto last = first;
    while (last != excluded_.end() && last->first == global) {
      ++last;
    }
    for (std::int64_t r = 0; r < r_count; ++r) {
      EdgeOffset const begin = csr.row_offsets[node * r_count + r];
      EdgeOffset const end = csr.row_offsets[node * r_count + r + 1];
      std::span<NodeId const> candidates(csr.cols.data + begin,
                                         dropped ? 0 : static_cast<std::size_t>(end - begin));
      if (first != last && !candidates.empty()) {
        RelationBlock const& relation = relations[static_cast<std::size_t>(r)];
        std::int64_t const to_global =
            type_offsets_[static_cast<std::size_t>(index(relation.source))] - relation.message_base;
        allowed.clear();
        for (NodeId const col : candidates) {
          if (!std::binary_search(first, last,
                                  std::pair(global, static_cast<NodeId>(col + to_global)))) {
            allowed.push_back(col);
          }
        }
        candidates = allowed;
      }
      fn(k * r_count + r,
         static_cast<std::uint64_t>(global) * static_cast<std::uint64_t>(r_count) +
             static_cast<std::uint64_t>(r),
         candidates);
    }
  };

  auto const n = std::ssize(nodes);
  out.row_offsets.assign(static_cast<std::size_t>(n * r_count) + 1, 0);
  parallel_for_blocks(ctx, n, nodes_per_task, [&](std::int64_t begin, std::int64_t end) {
    std::vector<NodeId> allowed;
    for (std::int64_t k = begin; k < end; ++k) {
      each_row(k, allowed, [&](std::int64_t row, std::uint64_t, std::span<NodeId const> from) {
        out.row_offsets[static_cast<std::size_t>(row) + 1] =
            std::min<std::int64_t>(std::ssize(from), draw.fanout);
      });
    }
  });
  std::partial_sum(out.row_offsets.begin(), out.row_offsets.end(), out.row_offsets.begin());
  out.cols.resize(static_cast<std::size_t>(out.row_offsets.back()));
  parallel_for_blocks(ctx, n, nodes_per_task, [&](std::int64_t begin, std::int64_t end) {
    std::vector<NodeId> allowed;
    for (std::int64_t k = begin; k < end; ++k) {
      each_row(k, allowed, [&](std::int64_t row, std::uint64_t key, std::span<NodeId const> from) {
        NodeId* const to = out.cols.data() + out.row_offsets[static_cast<std::size_t>(row)];
        if (std::ssize(from) <= draw.fanout) {
          std::copy(from.begin(), from.end(), to);
          return;
        }
        RandomStream random(draw.layer_seed, Purpose::neighbor_sampling, key);
        choose(random, std::ssize(from), draw.fanout, to);
        for (std::int32_t s = 0; s < draw.fanout; ++s) {
          to[s] = from[static_cast<std::size_t>(to[s])];
        }
      });
    }
  });
}

void NeighborSampler::number_sources(SampledBlocks::Layer& layer) {
  auto const blocks = graph_.block().destinations;
  for (std::size_t t = 0; t < layer.destinations.size(); ++t) {
    SampledBlocks::Destination& d = layer.destinations[t];
    auto const& relations = blocks[t].relations;
    d.relations.assign(relations.begin(), relations.end());
    d.source_rows.resize(relations.size());
    for (auto& rows : d.source_rows) {
      rows.clear();
    }
    // Unique sources of each relation, in the order of their first edge.
    for (std::size_t row = 0; row + 1 < d.row_offsets.size(); ++row) {
      std::size_t const r = row % relations.size();
      auto& rows = d.source_rows[r];
      auto const s = static_cast<std::size_t>(index(relations[r].source));
      for (EdgeOffset e = d.row_offsets[row]; e < d.row_offsets[row + 1]; ++e) {
        NodeId const col = d.cols[static_cast<std::size_t>(e)];
        NodeId& number = message_row_[static_cast<std::size_t>(col)];
        if (number < 0) {
          number = static_cast<NodeId>(rows.size());
          auto const node = static_cast<NodeId>(col - relations[r].message_base);
          NodeId& place = position_[s][static_cast<std::size_t>(node)];
          if (place < 0) {
            place = static_cast<NodeId>(layer.sources[s].size());
            layer.sources[s].push_back(node);
          }
          rows.push_back(place);
        }
      }
    }
    std::int64_t base = 0;
    for (std::size_t r = 0; r < relations.size(); ++r) {
      d.relations[r].message_base = base;
      d.relations[r].message_rows = std::ssize(d.source_rows[r]);
      base += d.relations[r].message_rows;
    }
    for (std::size_t row = 0; row + 1 < d.row_offsets.size(); ++row) {
      auto const message_base = d.relations[row % relations.size()].message_base;
      for (EdgeOffset e = d.row_offsets[row]; e < d.row_offsets[row + 1]; ++e) {
        NodeId& col = d.cols[static_cast<std::size_t>(e)];
        col = static_cast<NodeId>(message_base + message_row_[static_cast<std::size_t>(col)]);
      }
    }
    // Leave the map empty for the next type: every numbered message is one of these.
    for (std::size_t r = 0; r < relations.size(); ++r) {
      auto const s = static_cast<std::size_t>(index(relations[r].source));
      for (NodeId const place : d.source_rows[r]) {
        NodeId const node = layer.sources[s][static_cast<std::size_t>(place)];
        message_row_[static_cast<std::size_t>(relations[r].message_base + node)] = -1;
      }
    }
  }
}

void NeighborSampler::sample(HostContext const& ctx,
                             std::span<VectorView<NodeId const> const> seeds, std::uint64_t seed,
                             std::uint64_t step, SampleOptions const& options, SampledBlocks& out) {
  std::size_t const types = position_.size();
  std::size_t const layers = config_.fanouts.size();
  if (seeds.size() != types) {
    raise<ShapeError>(here, "seeds", std::to_string(seeds.size()) + " lists",
                      std::to_string(types) + ", one per node type");
  }
  for (std::size_t t = 0; t < types; ++t) {
    expect_indices(here, "seeds", seeds[t], type_offsets_[t + 1] - type_offsets_[t]);
  }
  sort_excluded(options.excluded);
  out.layers_.resize(layers);

  for (std::size_t l = layers; l-- > 0;) {
    SampledBlocks::Layer& layer = out.layers_[l];
    layer.destinations.resize(types);
    layer.sources.resize(types);
    layer.source_counts.resize(types);
    Draw const draw{.layer_seed = derived_seed(seed, step, l),
                    .step_seed = derived_seed(seed, step, layers),
                    .node_drop = options.node_drop,
                    .fanout = config_.fanouts[l]};
    for (std::size_t t = 0; t < types; ++t) {
      if (l + 1 == layers) {
        layer.sources[t].assign(seeds[t].begin(), seeds[t].end());
      } else {
        layer.sources[t] = out.layers_[l + 1].sources[t];
      }
      for (std::size_t k = 0; k < layer.sources[t].size(); ++k) {
        NodeId& place = position_[t][static_cast<std::size_t>(layer.sources[t][k])];
        if (place >= 0) {
          std::string const twice = std::to_string(layer.sources[t][k]);
          for (NodeId const node : layer.sources[t]) {
            position_[t][static_cast<std::size_t>(node)] = -1;
          }
          raise<GraphError>(here, "seeds", "node " + twice + " twice", "unique nodes per type");
        }
        place = static_cast<NodeId>(k);
      }
      sample_rows(ctx, draw, static_cast<NodeTypeId>(t), layer.sources[t], layer.destinations[t]);
    }
    number_sources(layer);
    for (std::size_t t = 0; t < types; ++t) {
      layer.source_counts[t] = std::ssize(layer.sources[t]);
      for (NodeId const node : layer.sources[t]) {
        position_[t][static_cast<std::size_t>(node)] = -1;
      }
    }
  }

  out.views_.clear();
  for (std::size_t l = 0; l < layers; ++l) {
    SampledBlocks::Layer& layer = out.layers_[l];
    layer.blocks.clear();
    for (std::size_t t = 0; t < types; ++t) {
      SampledBlocks::Destination& d = layer.destinations[t];
      std::int64_t message_rows = 0;
      for (std::size_t r = 0; r < d.relations.size(); ++r) {
        d.relations[r].source_rows = {d.source_rows[r].data(), std::ssize(d.source_rows[r])};
        message_rows += d.relations[r].message_rows;
      }
      std::int64_t const n_dst =
          l + 1 == layers ? seeds[t].size : out.layers_[l + 1].source_counts[t];
      layer.blocks.push_back(
          {.type = static_cast<NodeTypeId>(t),
           .csr = {.row_offsets = {d.row_offsets.data(), std::ssize(d.row_offsets)},
                   .cols = {d.cols.data(), std::ssize(d.cols)},
                   .n_dst = n_dst,
                   .relations = static_cast<std::int32_t>(d.relations.size()),
                   .message_rows = message_rows},
           .relations = d.relations});
    }
    out.views_.push_back({.destinations = layer.blocks, .n_src = layer.source_counts});
  }
}

}  // namespace relweave::sampling
