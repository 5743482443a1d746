#include <relweave/sampling/neighbor.hpp>

#include <algorithm>
#include <string>

#include <relweave/core/error.hpp>
#include <relweave/core/profile.hpp>
#include <relweave/core/random.hpp>

namespace relweave::sampling {

namespace {

constexpr std::string_view here = "NeighborSampler";

std::vector<std::vector<std::int32_t>> checked_fanouts(NeighborSamplerConfig const& config,
                                                       std::int32_t relations) {
  if (config.fanouts.empty()) {
    raise<ConfigError>(here, "fanouts", "none", "one per layer of the network");
  }
  if (!config.relation_fanouts.empty() && config.relation_fanouts.size() != config.fanouts.size()) {
    raise<ShapeError>(here, "relation_fanouts",
                      std::to_string(config.relation_fanouts.size()) + " layers",
                      std::to_string(config.fanouts.size()) + " layers, as in fanouts");
  }
  std::vector<std::vector<std::int32_t>> result;
  for (std::size_t l = 0; l < config.fanouts.size(); ++l) {
    bool const by_relation =
        !config.relation_fanouts.empty() && !config.relation_fanouts[l].empty();
    result.push_back(by_relation
                         ? config.relation_fanouts[l]
                         : std::vector(static_cast<std::size_t>(relations), config.fanouts[l]));
    if (std::ssize(result.back()) != relations) {
      raise<ShapeError>(here, "relation_fanouts", std::to_string(result.back().size()) + " numbers",
                        std::to_string(relations) + ", one per relation");
    }
    for (std::int32_t const fanout : result.back()) {
      if (fanout < 0) {
        raise<ConfigError>(here, "fanouts", std::to_string(fanout), "at least 0",
                           "all_neighbors takes every neighbour.");
      }
      if (config.replace && fanout == all_neighbors) {
        raise<ConfigError>(here, "replace", "true with a fanout of all neighbours",
                           "a number to draw");
      }
    }
  }
  return result;
}

/// A seed for each of the things that the random numbers of one (seed, step) are for.
std::uint64_t derived_seed(std::uint64_t seed, std::uint64_t step, std::uint64_t what) {
  std::uint64_t const of_step = RandomStream(seed, Purpose::neighbor_sampling, step).next64();
  return RandomStream(of_step, Purpose::neighbor_sampling, what).next64();
}

}  // namespace

NeighborSampler::NeighborSampler(graph::HeteroGraph const& graph, NeighborSamplerConfig config)
    : graph_(graph),
      fanouts_(checked_fanouts(config, graph.schema().relation_count())),
      replace_(config.replace) {
  if (graph.node_count() > std::numeric_limits<NodeId>::max()) {
    raise<GraphError>(here, "graph", std::to_string(graph.node_count()) + " nodes of all types",
                      "at most " + std::to_string(std::numeric_limits<NodeId>::max()));
  }
  type_offsets_.push_back(0);
  for (std::int32_t t = 0; t < graph.schema().node_type_count(); ++t) {
    auto const type = static_cast<NodeTypeId>(t);
    type_offsets_.push_back(type_offsets_.back() + graph.node_count(type));
    position_.emplace_back(static_cast<std::size_t>(graph.node_count(type)), -1);
    message_row_.emplace_back(graph.csr(type).message_rows);
    auto& read = read_.emplace_back();
    for (auto const& relation : graph.block().destinations[static_cast<std::size_t>(t)].relations) {
      read.emplace_back(relation.message_rows);
    }
  }
}

void NeighborSampler::check(std::span<VectorView<NodeId const> const> seeds,
                            SampleOptions const& options) {
  if (seeds.size() != position_.size()) {
    raise<ShapeError>(here, "seeds", std::to_string(seeds.size()) + " lists",
                      std::to_string(position_.size()) + ", one per node type");
  }
  if (!(options.node_drop >= 0 && options.node_drop <= 1)) {
    raise<ConfigError>(here, "node_drop", std::to_string(options.node_drop),
                       "a probability in [0, 1]");
  }
  expect_size(here, "excluded.b", options.excluded.b, options.excluded.a.size);
  expect_indices(here, "excluded.a", options.excluded.a, type_offsets_.back());
  expect_indices(here, "excluded.b", options.excluded.b, type_offsets_.back());
  for (std::size_t t = 0; t < seeds.size(); ++t) {
    expect_indices(here, "seeds", seeds[t], std::ssize(position_[t]));
    std::int64_t k = 0;
    for (; k < seeds[t].size && position_[t][static_cast<std::size_t>(seeds[t][k])] < 0; ++k) {
      position_[t][static_cast<std::size_t>(seeds[t][k])] = static_cast<NodeId>(k);
    }
    for (NodeId const node : seeds[t].slice(0, k)) {
      position_[t][static_cast<std::size_t>(node)] = -1;
    }
    if (k < seeds[t].size) {
      raise<GraphError>(here, "seeds",
                        "node " + std::to_string(seeds[t][k]) + " of type " +
                            graph_.schema().name(static_cast<NodeTypeId>(t)) + " twice",
                        "unique nodes per type");
    }
  }
}

void NeighborSampler::sort_excluded(ExcludedLinks const& excluded) {
  excluded_.clear();
  for (std::int64_t k = 0; k < excluded.a.size; ++k) {
    excluded_.emplace_back(excluded.a[k], excluded.b[k]);
    excluded_.emplace_back(excluded.b[k], excluded.a[k]);
  }
  std::sort(excluded_.begin(), excluded_.end());
}

void NeighborSampler::sample(HostContext const& ctx,
                             std::span<VectorView<NodeId const> const> seeds, std::uint64_t seed,
                             std::uint64_t step, SampleOptions const& options, SampledBlocks& out) {
  ProfileScope const profile("sample_neighbors");
  HostContext const resolved{
      .threads = ctx.threads, .isa = resolve_isa(ctx.isa), .workspace = ctx.workspace};
  check(seeds, options);
  sort_excluded(options.excluded);
  std::size_t const types = position_.size();
  std::size_t const layers = fanouts_.size();
  out.layers_.resize(layers);

  for (std::size_t l = layers; l-- > 0;) {
    SampledBlocks::Layer& layer = out.layers_[l];
    layer.destinations.resize(types);
    layer.sources.resize(types);
    layer.n_dst.resize(types);
    Draw const draw{.layer_seed = derived_seed(seed, step, l),
                    .drop_seed = derived_seed(seed, step, layers),
                    .node_drop = options.node_drop,
                    .fanouts = fanouts_[l]};
    for (std::size_t t = 0; t < types; ++t) {
      if (l + 1 == layers) {
        layer.sources[t].assign(seeds[t].begin(), seeds[t].end());
      } else {
        layer.sources[t] = out.layers_[l + 1].sources[t];
      }
      layer.n_dst[t] = std::ssize(layer.sources[t]);
    }
    sample_rows(resolved, draw, layer);
    number_sources(ctx, layer);
  }
  out.make_views();
}

}  // namespace relweave::sampling
