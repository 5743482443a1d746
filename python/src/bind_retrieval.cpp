#include <pybind11/stl.h>

#include <optional>

#include <relweave/core/error.hpp>
#include <relweave/retrieval/exact_index.hpp>

#include "graph_arrays.hpp"
#include "model_arrays.hpp"

namespace relweave::python {

namespace {

using retrieval::ExactIndex;

py::tuple search(ExactIndex const& index, Array<float> const& queries, std::int64_t k,
                 std::optional<Array<std::int64_t>> const& excluded_offsets,
                 Array<NodeId> const& excluded_items, std::vector<std::int32_t> const& types,
                 Array<NodeId> const& allowed, int threads) {
  if (k < 1) {
    raise<ConfigError>("ExactIndex.search", "k", std::to_string(k), "at least 1");
  }
  auto const type_ids = types_of(types);
  auto const view = matrix_of(queries);
  retrieval::SearchOptions options{
      .allowed_types = type_ids,
      .allowed_items = {allowed.data(), static_cast<std::size_t>(allowed.size())}};
  if (excluded_offsets) {
    options.excluded_offsets = vector_of(*excluded_offsets);
    options.excluded_items = vector_of(excluded_items);
  }
  auto indices = new_matrix<NodeId>(view.rows, k);
  auto scores = new_matrix<float>(view.rows, k);
  auto const index_view = mutable_matrix_of(indices);
  auto const score_view = mutable_matrix_of(scores);
  {
    py::gil_scoped_release const release;
    index.search(HostContext{.threads = threads}, view, k, options, index_view, score_view);
  }
  return py::make_tuple(indices, scores);
}

}  // namespace

void bind_retrieval(py::module_& m) {
  py::class_<ExactIndex> index(m, "ExactIndex");
  refuse_pickle(index, "ExactIndex", "Pickle the vectors and build the index again.");
  index
      .def(py::init([](Array<float> const& vectors, std::vector<std::int32_t> const& types,
                       std::optional<Array<float>> const& bias) {
             auto const type_ids = types_of(types);
             return ExactIndex(matrix_of(vectors), view_of(type_ids),
                               bias ? vector_of(*bias) : VectorView<float const>{});
           }),
           py::arg("vectors"), py::kw_only(), py::arg("types") = std::vector<std::int32_t>{},
           py::arg("bias") = py::none())
      .def(
          "add",
          [](ExactIndex& self, Array<float> const& vectors) { self.add(matrix_of(vectors)); },
          py::arg("vectors"))
      .def("search", &search, py::arg("queries"), py::kw_only(), py::arg("k"),
           py::arg("excluded_offsets") = py::none(), py::arg("excluded_items") = Array<NodeId>(0),
           py::arg("types") = std::vector<std::int32_t>{}, py::arg("allowed") = Array<NodeId>(0),
           py::arg("threads") = 0)
      .def_property_readonly("size", &ExactIndex::size)
      .def_property_readonly("dimension", &ExactIndex::dimension);
}

}  // namespace relweave::python
