#include <pybind11/stl.h>

#include <optional>
#include <tuple>

#include <relweave/graph/builder.hpp>
#include <relweave/graph/transform.hpp>

#include "graph_arrays.hpp"

namespace relweave::python {

namespace {

using RelationTuple = std::tuple<std::int32_t, std::string, std::int32_t>;
using EdgeTuple = std::tuple<Array<NodeId>, Array<NodeId>, std::optional<Array<float>>>;

graph::Schema make_schema(std::vector<std::string> node_types,
                          std::vector<RelationTuple> const& relations) {
  std::vector<graph::Relation> named;
  for (auto const& [source, name, destination] : relations) {
    named.push_back({static_cast<NodeTypeId>(source), name, static_cast<NodeTypeId>(destination)});
  }
  return {std::move(node_types), std::move(named)};
}

std::vector<std::string> node_types_of(graph::Schema const& schema) {
  std::vector<std::string> names;
  for (std::int32_t t = 0; t < schema.node_type_count(); ++t) {
    names.push_back(schema.name(static_cast<NodeTypeId>(t)));
  }
  return names;
}

std::vector<RelationTuple> relations_of(graph::Schema const& schema) {
  std::vector<RelationTuple> relations;
  for (std::int32_t r = 0; r < schema.relation_count(); ++r) {
    auto const& relation = schema.relation(static_cast<RelationId>(r));
    relations.emplace_back(index(relation.source), relation.name, index(relation.destination));
  }
  return relations;
}

SharedGraph make_graph(graph::Schema const& schema, std::vector<std::int64_t> node_counts,
                       std::vector<EdgeTuple> const& edges, int threads) {
  py::gil_scoped_release const release;
  graph::HeteroGraphBuilder builder(schema, std::move(node_counts));
  for (std::size_t r = 0; r < edges.size(); ++r) {
    auto const& [source, destination, weights] = edges[r];
    builder.add_edges(static_cast<RelationId>(r), vector_of(source), vector_of(destination),
                      weights ? vector_of(*weights) : VectorView<float const>{});
  }
  return std::make_shared<graph::HeteroGraph>(builder.build(HostContext{.threads = threads}));
}

py::tuple edges_of(graph::HeteroGraph const& graph, std::int32_t relation) {
  auto const id = static_cast<RelationId>(relation);
  auto const edges = [&] {
    py::gil_scoped_release const release;
    return graph::to_edges(graph, id);
  }();
  py::object weights = py::none();
  if (graph.has_weights(id)) {
    weights = copy_of(VectorView<float const>(edges.weights.view()));
  }
  return py::make_tuple(copy_of(VectorView<NodeId const>(edges.source.view())),
                        copy_of(VectorView<NodeId const>(edges.destination.view())), weights);
}

}  // namespace

void bind_graph(py::module_& m) {
  py::class_<graph::Schema>(m, "Schema")
      .def(py::init(&make_schema), py::arg("node_types"), py::arg("relations"))
      .def_property_readonly("node_types", &node_types_of)
      .def_property_readonly("relations", &relations_of);
  py::class_<graph::HeteroGraph, SharedGraph>(m, "HeteroGraph")
      .def(py::init(&make_graph), py::kw_only(), py::arg("schema"), py::arg("node_counts"),
           py::arg("edges"), py::arg("threads"))
      .def_property_readonly("schema", &graph::HeteroGraph::schema)
      .def("node_count",
           [](graph::HeteroGraph const& g, std::int32_t type) {
             return g.node_count(static_cast<NodeTypeId>(type));
           })
      .def("edge_count",
           [](graph::HeteroGraph const& g, std::int32_t relation) {
             return g.edge_count(static_cast<RelationId>(relation));
           })
      .def("edges", &edges_of, py::arg("relation"));
}

}  // namespace relweave::python
