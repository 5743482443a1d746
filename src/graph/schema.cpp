#include <relweave/graph/schema.hpp>

#include <algorithm>
#include <utility>

#include <relweave/core/error.hpp>

namespace relweave::graph {

namespace {

constexpr std::string_view here = "Schema";

bool is_type(std::int32_t id, std::size_t types) {
  return id >= 0 && static_cast<std::size_t>(id) < types;
}

template <typename Names>
std::string list(Names const& names) {
  std::string s;
  for (auto const& name : names) {
    s.append(s.empty() ? "" : ", ").append(name);
  }
  return s;
}

}  // namespace

Schema::Schema(std::vector<std::string> node_types, std::vector<Relation> relations)
    : node_types_(std::move(node_types)),
      relations_(std::move(relations)),
      into_(node_types_.size()) {
  for (std::size_t t = 0; t < node_types_.size(); ++t) {
    if (node_types_[t].empty()) {
      raise<GraphError>(here, "node_types", "an empty name", "a name for every node type");
    }
    if (std::find(node_types_.begin(), node_types_.begin() + static_cast<std::ptrdiff_t>(t),
                  node_types_[t]) != node_types_.begin() + static_cast<std::ptrdiff_t>(t)) {
      raise<GraphError>(here, "node_types", "'" + node_types_[t] + "' twice", "different names");
    }
  }
  for (std::size_t r = 0; r < relations_.size(); ++r) {
    Relation const& relation = relations_[r];
    if (relation.name.empty()) {
      raise<GraphError>(here, "relations", "an empty name", "a name for every relation");
    }
    if (!is_type(index(relation.source), node_types_.size()) ||
        !is_type(index(relation.destination), node_types_.size())) {
      raise<GraphError>(here, "relations",
                        "'" + relation.name + "' between types " +
                            std::to_string(index(relation.source)) + " and " +
                            std::to_string(index(relation.destination)),
                        "types in [0, " + std::to_string(node_types_.size()) + ")");
    }
    if (std::find(relations_.begin(), relations_.begin() + static_cast<std::ptrdiff_t>(r),
                  relation) != relations_.begin() + static_cast<std::ptrdiff_t>(r)) {
      raise<GraphError>(here, "relations", full_name(static_cast<RelationId>(r)) + " twice",
                        "different (source, name, destination)");
    }
    into_[static_cast<std::size_t>(index(relation.destination))].push_back(
        static_cast<RelationId>(r));
  }
}

std::string const& Schema::name(NodeTypeId type) const {
  if (!is_type(index(type), node_types_.size())) {
    raise<IndexError>("Schema.name", "type", std::to_string(index(type)),
                      "values in [0, " + std::to_string(node_types_.size()) + ")");
  }
  return node_types_[static_cast<std::size_t>(index(type))];
}

Relation const& Schema::relation(RelationId id) const {
  if (!is_type(index(id), relations_.size())) {
    raise<IndexError>("Schema.relation", "id", std::to_string(index(id)),
                      "values in [0, " + std::to_string(relations_.size()) + ")");
  }
  return relations_[static_cast<std::size_t>(index(id))];
}

std::string Schema::full_name(RelationId id) const {
  Relation const& r = relation(id);
  return name(r.source) + "__" + r.name + "__" + name(r.destination);
}

NodeTypeId Schema::node_type(std::string_view wanted) const {
  auto const found = std::find(node_types_.begin(), node_types_.end(), wanted);
  if (found == node_types_.end()) {
    raise<GraphError>("Schema.node_type", "name", "'" + std::string(wanted) + "'",
                      "one of " + list(node_types_));
  }
  return static_cast<NodeTypeId>(found - node_types_.begin());
}

RelationId Schema::relation(std::string_view source, std::string_view relation_name,
                            std::string_view destination) const {
  Relation const wanted{node_type(source), std::string(relation_name), node_type(destination)};
  auto const found = std::find(relations_.begin(), relations_.end(), wanted);
  if (found == relations_.end()) {
    std::vector<std::string> names;
    for (std::int32_t r = 0; r < relation_count(); ++r) {
      names.push_back(full_name(static_cast<RelationId>(r)));
    }
    raise<GraphError>("Schema.relation", "name",
                      std::string(source) + "__" + wanted.name + "__" + std::string(destination),
                      "one of " + list(names));
  }
  return static_cast<RelationId>(found - relations_.begin());
}

std::span<RelationId const> Schema::relations_into(NodeTypeId type) const {
  name(type);  // checks the id
  return into_[static_cast<std::size_t>(index(type))];
}

}  // namespace relweave::graph
