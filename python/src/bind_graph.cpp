#include <pybind11/stl.h>

#include <optional>
#include <tuple>

#include <relweave/core/error.hpp>
#include <relweave/graph/builder.hpp>
#include <relweave/graph/transform.hpp>
#include <relweave/ops/relation_aggregate/reference.hpp>
#include <relweave/ops/relation_aggregate/relation_aggregate.hpp>

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

Reduce reduce_of(std::string const& word) {
  if (word == "max") {
    return Reduce::max;
  }
  if (word == "mean") {
    return Reduce::mean;
  }
  if (word == "sum") {
    return Reduce::sum;
  }
  raise<ConfigError>("relation_aggregate", "reduce", "'" + word + "'", "max, mean or sum");
}

template <typename T>
py::tuple aggregate(SharedGraph const& graph, std::int32_t destination, Array<T> const& messages,
                    std::optional<Array<T>> const& self, std::string const& reduce, bool relu,
                    bool l2_normalize, bool reference, int threads) {
  auto const csr = graph->csr(static_cast<NodeTypeId>(destination));
  ops::RelationAggregateParams const params{
      .reduce = reduce_of(reduce),
      .activation = relu ? Activation::relu : Activation::identity,
      .l2_normalize = l2_normalize};
  auto const z = matrix_of(messages);
  auto const own = self ? matrix_of(*self) : MatrixView<T const>{};
  auto out = new_matrix<T>(csr.n_dst, z.cols);
  auto const out_view = mutable_matrix_of(out);
  auto arg = new_matrix<std::int64_t>(csr.n_dst * csr.relations, z.cols);
  std::fill_n(arg.mutable_data(), arg.size(), std::int64_t{-1});
  std::int64_t* const arg_data = arg.mutable_data();
  {
    py::gil_scoped_release const release;
    ops::RelationAggregateCache<T> cache;
    if (reference) {
      ops::reference::relation_aggregate<T>(csr, z, own, params, out_view, &cache);
    } else {
      ops::relation_aggregate<T>(HostContext{.threads = threads}, csr, z, own, params, out_view,
                                 &cache);
    }
    auto const widen = [&]<typename A>(A) {
      auto const* const slots = reinterpret_cast<A const*>(cache.arg.data());
      for (std::int64_t i = 0; i < csr.n_dst * csr.relations * z.cols; ++i) {
        arg_data[i] = slots[i] == static_cast<A>(~A{0}) ? -1 : static_cast<std::int64_t>(slots[i]);
      }
    };
    if (params.reduce == Reduce::max) {
      switch (cache.arg_width) {
        case 1:
          widen(std::uint8_t{});
          break;
        case 2:
          widen(std::uint16_t{});
          break;
        default:
          widen(std::uint32_t{});
      }
    }
  }
  return py::make_tuple(out, arg);
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
  m.def("relation_aggregate", &aggregate<float>, py::arg("graph"), py::arg("destination"),
        py::arg("messages").noconvert(), py::arg("self").noconvert(), py::kw_only(),
        py::arg("reduce"), py::arg("relu"), py::arg("l2_normalize"), py::arg("reference"),
        py::arg("threads"));
  m.def("relation_aggregate", &aggregate<double>, py::arg("graph"), py::arg("destination"),
        py::arg("messages").noconvert(), py::arg("self").noconvert(), py::kw_only(),
        py::arg("reduce"), py::arg("relu"), py::arg("l2_normalize"), py::arg("reference"),
        py::arg("threads"));
}

}  // namespace relweave::python
