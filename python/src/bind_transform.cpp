#include <pybind11/stl.h>

#include <string>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/graph/report.hpp>
#include <relweave/graph/transform.hpp>

#include "graph_arrays.hpp"

namespace relweave::python {

namespace {

/// Calls call(ctx), which returns a graph, without the interpreter's lock.
template <typename Call>
SharedGraph transformed(int threads, Call const& call) {
  py::gil_scoped_release const release;
  return std::make_shared<graph::HeteroGraph>(call(HostContext{.threads = threads}));
}

SharedGraph add_reverse(SharedGraph const& graph,
                        std::vector<std::pair<std::int32_t, std::string>> const& names,
                        int threads) {
  std::vector<graph::ReverseName> reverses;
  for (auto const& [relation, name] : names) {
    reverses.push_back({static_cast<RelationId>(relation), name});
  }
  return transformed(
      threads, [&](HostContext const& ctx) { return graph::add_reverse(ctx, *graph, reverses); });
}

graph::DuplicateWeight duplicate_weight_of(std::string const& word) {
  if (word == "first") {
    return graph::DuplicateWeight::first;
  }
  if (word == "sum") {
    return graph::DuplicateWeight::sum;
  }
  if (word == "max") {
    return graph::DuplicateWeight::max;
  }
  raise<ConfigError>("remove_duplicate_edges", "weight", "'" + word + "'", "first, sum or max");
}

SharedGraph remove_duplicate_edges(SharedGraph const& graph, std::string const& weight,
                                   int threads) {
  auto const kept = duplicate_weight_of(weight);
  return transformed(threads, [&](HostContext const& ctx) {
    return graph::remove_duplicate_edges(ctx, *graph, kept);
  });
}

SharedGraph remove_self_loops(SharedGraph const& graph, int threads) {
  return transformed(threads,
                     [&](HostContext const& ctx) { return graph::remove_self_loops(ctx, *graph); });
}

SharedGraph induced_subgraph(SharedGraph const& graph, std::vector<Array<NodeId>> const& nodes,
                             int threads) {
  std::vector<VectorView<NodeId const>> views;
  for (auto const& ids : nodes) {
    views.push_back(vector_of(ids));
  }
  return transformed(
      threads, [&](HostContext const& ctx) { return graph::induced_subgraph(ctx, *graph, views); });
}

SharedGraph top_neighbors(SharedGraph const& graph, std::int32_t k, int threads) {
  return transformed(threads,
                     [&](HostContext const& ctx) { return graph::top_neighbors(ctx, *graph, k); });
}

py::dict degrees_of(graph::DegreeSummary const& degrees) {
  py::dict result;
  result["mean"] = degrees.mean;
  result["max"] = degrees.max;
  result["quantiles"] = py::tuple(py::cast(degrees.quantiles));
  result["isolated_share"] = degrees.isolated_share;
  return result;
}

py::dict report(SharedGraph const& graph, int threads) {
  graph::GraphReport report;
  {
    py::gil_scoped_release const release;
    report = graph::report(HostContext{.threads = threads}, *graph);
  }
  py::list types;
  for (auto const& t : report.node_types) {
    py::dict type;
    type["name"] = t.name;
    type["nodes"] = t.nodes;
    type["isolated_share"] = t.isolated_share;
    types.append(std::move(type));
  }
  py::list relations;
  for (auto const& r : report.relations) {
    py::dict relation;
    relation["edges"] = r.edges;
    relation["duplicates"] = r.duplicates;
    relation["self_loops"] = r.self_loops;
    relation["weighted"] = r.weighted;
    relation["incoming"] = degrees_of(r.in);
    relation["outgoing"] = degrees_of(r.out);
    relation["reciprocity"] = r.reciprocity;
    relations.append(std::move(relation));
  }
  py::dict result;
  result["nodes"] = report.nodes;
  result["edges"] = report.edges;
  result["memory_bytes"] = report.memory_bytes;
  result["node_types"] = std::move(types);
  result["relations"] = std::move(relations);
  return result;
}

}  // namespace

void bind_transform(py::module_& m) {
  m.def("add_reverse", &add_reverse, py::arg("graph"), py::arg("names"), py::kw_only(),
        py::arg("threads"));
  m.def("remove_duplicate_edges", &remove_duplicate_edges, py::arg("graph"), py::kw_only(),
        py::arg("weight"), py::arg("threads"));
  m.def("remove_self_loops", &remove_self_loops, py::arg("graph"), py::kw_only(),
        py::arg("threads"));
  m.def("induced_subgraph", &induced_subgraph, py::arg("graph"), py::arg("nodes"), py::kw_only(),
        py::arg("threads"));
  m.def("top_neighbors", &top_neighbors, py::arg("graph"), py::arg("k"), py::kw_only(),
        py::arg("threads"));
  m.def("graph_report", &report, py::arg("graph"), py::kw_only(), py::arg("threads"));
}

}  // namespace relweave::python
