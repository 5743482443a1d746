#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/graph/builder.hpp>
#include <relweave/graph/co_interaction.hpp>

namespace relweave::graph {

void ItemTypes::check() const {
  constexpr std::string_view here = "ItemTypes";
  if (names.empty() || offsets.size() != names.size() + 1) {
    raise<ShapeError>(
        here, "offsets",
        std::to_string(offsets.size()) + " offsets for " + std::to_string(names.size()) + " names",
        "at least one name, and one offset more than names");
  }
  if (offsets.front() != 0 || !std::is_sorted(offsets.begin(), offsets.end()) ||
      offsets.back() > std::numeric_limits<NodeId>::max()) {
    raise<ConfigError>(
        here, "offsets", std::to_string(offsets.front()) + " to " + std::to_string(offsets.back()),
        "ascending from 0 to at most " + std::to_string(std::numeric_limits<NodeId>::max()));
  }
}

NodeTypeId ItemTypes::type_of(NodeId item) const {
  auto const after = std::upper_bound(offsets.begin(), offsets.end(), std::int64_t{item});
  return static_cast<NodeTypeId>(after - offsets.begin() - 1);
}

Schema co_interaction_schema(ItemTypes const& types) {
  types.check();
  std::vector<Relation> relations;
  auto const n = static_cast<std::int32_t>(types.names.size());
  for (std::int32_t a = 0; a < n; ++a) {
    for (std::int32_t b = a; b < n; ++b) {
      relations.push_back({static_cast<NodeTypeId>(a), "co", static_cast<NodeTypeId>(b)});
      if (a != b) {
        relations.push_back({static_cast<NodeTypeId>(b), "co", static_cast<NodeTypeId>(a)});
      }
    }
  }
  return Schema(types.names, std::move(relations));
}

HeteroGraph link_graph(HostContext const& ctx, ItemTypes const& types, ItemLinks const& links) {
  constexpr std::string_view here = "link_graph";
  Schema schema = co_interaction_schema(types);
  auto const lower = links.lower.view();
  auto const upper = links.upper.view();
  auto const weight = links.weight.view();
  expect_size(here, "links.upper", upper, lower.size);
  expect_size(here, "links.weight", weight, lower.size);
  expect_indices(here, "links.lower", lower, types.offsets.back());
  expect_indices(here, "links.upper", upper, types.offsets.back());

  struct Edges {
    std::vector<NodeId> source, destination;
    std::vector<float> weight;
  };
  auto const n = types.names.size();
  std::vector<Edges> edges(n * n);  // by (source type, destination type)
  for (std::int64_t k = 0; k < lower.size; ++k) {
    auto const a = static_cast<std::size_t>(index(types.type_of(lower[k])));
    auto const b = static_cast<std::size_t>(index(types.type_of(upper[k])));
    auto const local_a = static_cast<NodeId>(lower[k] - types.offsets[a]);
    auto const local_b = static_cast<NodeId>(upper[k] - types.offsets[b]);
    auto const add = [&](Edges& e, NodeId from, NodeId to) {
      e.source.push_back(from);
      e.destination.push_back(to);
      e.weight.push_back(weight[k]);
    };
    add(edges[a * n + b], local_a, local_b);
    if (lower[k] != upper[k]) {
      add(edges[b * n + a], local_b, local_a);
    }
  }

  std::vector<std::int64_t> counts;
  for (std::size_t t = 0; t < n; ++t) {
    counts.push_back(types.count(static_cast<NodeTypeId>(t)));
  }
  HeteroGraphBuilder builder(schema, std::move(counts));
  for (std::int32_t r = 0; r < schema.relation_count(); ++r) {
    auto const id = static_cast<RelationId>(r);
    Relation const& relation = schema.relation(id);
    Edges& e = edges[static_cast<std::size_t>(index(relation.source)) * n +
                     static_cast<std::size_t>(index(relation.destination))];
    builder.add_edges(id, {e.source.data(), std::ssize(e.source)},
                      {e.destination.data(), std::ssize(e.destination)},
                      {e.weight.data(), std::ssize(e.weight)});
    e = {};
  }
  return builder.build(ctx);
}

}  // namespace relweave::graph
