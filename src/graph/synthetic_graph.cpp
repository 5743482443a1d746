#include <cmath>
#include <string>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/random.hpp>
#include <relweave/graph/builder.hpp>
#include <relweave/graph/synthetic.hpp>

#include "zipf.hpp"

namespace relweave::graph {

namespace {

constexpr std::string_view here = "synthetic_graph";
constexpr std::int64_t edges_per_task = 4096;

void check(Schema const& schema, SyntheticGraphConfig const& config) {
  if (std::ssize(config.edge_counts) != schema.relation_count()) {
    raise<ShapeError>(here, "edge_counts", std::to_string(config.edge_counts.size()) + " counts",
                      std::to_string(schema.relation_count()) + ", one per relation");
  }
  for (double const exponent : {config.source_exponent, config.destination_exponent}) {
    if (!(exponent >= 0 && std::isfinite(exponent))) {
      raise<ConfigError>(here, "exponent", std::to_string(exponent), "a finite number, at least 0");
    }
  }
}

}  // namespace

HeteroGraph synthetic_graph(HostContext const& ctx, Schema const& schema,
                            SyntheticGraphConfig const& config) {
  HeteroGraphBuilder builder(schema, config.node_counts);
  check(schema, config);
  for (std::int32_t r = 0; r < schema.relation_count(); ++r) {
    auto const id = static_cast<RelationId>(r);
    Relation const& relation = schema.relation(id);
    std::int64_t const count = config.edge_counts[static_cast<std::size_t>(r)];
    Zipf const sources(config.node_counts[static_cast<std::size_t>(index(relation.source))],
                       config.source_exponent);
    Zipf const destinations(
        config.node_counts[static_cast<std::size_t>(index(relation.destination))],
        config.destination_exponent);
    if (count < 0 || (count > 0 && (sources.empty() || destinations.empty()))) {
      raise<ConfigError>(here, "edge_counts",
                         std::to_string(count) + " for " + schema.full_name(id),
                         "at least 0, and 0 between types without nodes");
    }
    Buffer<NodeId> source(count);
    Buffer<NodeId> destination(count);
    Buffer<float> weights(config.weights ? count : 0);
    parallel_for_blocks(ctx, count, edges_per_task, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t e = begin; e < end; ++e) {
        RandomStream random(config.seed, Purpose::synthetic,
                            (static_cast<std::uint64_t>(r) << 40) | static_cast<std::uint64_t>(e));
        source.view()[e] = static_cast<NodeId>(sources(random));
        destination.view()[e] = static_cast<NodeId>(destinations(random));
        if (config.weights) {
          weights.view()[e] = random.uniform_float();
        }
      }
    });
    builder.add_edges(id, source.view(), destination.view(), weights.view());
  }
  return builder.build(ctx);
}

}  // namespace relweave::graph
