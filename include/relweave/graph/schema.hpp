#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <relweave/core/config.hpp>
#include <relweave/core/types.hpp>

namespace relweave::graph {

/// A kind of edge: messages flow from `source` to `destination`.
struct Relation {
  NodeTypeId source{};
  std::string name;
  NodeTypeId destination{};

  friend bool operator==(Relation const&, Relation const&) = default;
};

/// Names of node types and relations: what layers are sized by. Immutable.
class RELWEAVE_API Schema {
 public:
  Schema() = default;
  /// Throws GraphError on an empty or duplicate name, a duplicate (source, name, destination), or a
  /// relation between types that do not exist.
  Schema(std::vector<std::string> node_types, std::vector<Relation> relations);

  std::int32_t node_type_count() const { return static_cast<std::int32_t>(node_types_.size()); }
  std::int32_t relation_count() const { return static_cast<std::int32_t>(relations_.size()); }

  std::string const& name(NodeTypeId type) const;
  Relation const& relation(RelationId id) const;
  /// "source__name__destination", as in parameter names.
  std::string full_name(RelationId id) const;

  /// Throws GraphError that lists the names that exist.
  NodeTypeId node_type(std::string_view name) const;
  RelationId relation(std::string_view source, std::string_view name,
                      std::string_view destination) const;

  /// Relations that end in `type`, ascending: the order of rows in its RelationCsrView.
  std::span<RelationId const> relations_into(NodeTypeId type) const;

  friend bool operator==(Schema const& a, Schema const& b) {
    return a.node_types_ == b.node_types_ && a.relations_ == b.relations_;
  }

 private:
  std::vector<std::string> node_types_;
  std::vector<Relation> relations_;
  std::vector<std::vector<RelationId>> into_;
};

}  // namespace relweave::graph
