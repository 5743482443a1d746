#include <relweave/metrics/ranking.hpp>

#include "graph_arrays.hpp"

namespace relweave::python {

namespace {

using Longs = Array<std::int64_t>;

Longs ranks(Array<float> const& scores, Longs const& offsets, Array<NodeId> const& items,
            Array<std::int32_t> const& groups, int threads) {
  Longs out(items.size());
  VectorView<std::int64_t> const out_view{out.mutable_data(), out.size()};
  auto const score_view = matrix_of(scores);
  metrics::ItemLists const relevant{.offsets = vector_of(offsets), .items = vector_of(items)};
  auto const group_view = vector_of(groups);
  py::gil_scoped_release const release;
  metrics::ranks(HostContext{.threads = threads}, score_view, relevant, group_view, out_view);
  return out;
}

py::tuple ranking_metrics(Longs const& offsets, Longs const& ranks, std::int64_t k) {
  auto const result = metrics::ranking_metrics(vector_of(offsets), vector_of(ranks), k);
  return py::make_tuple(copy_of(result.hr.view()), copy_of(result.recall.view()),
                        copy_of(result.ndcg.view()), copy_of(result.mrr.view()));
}

void mark_listed(Array<float> const& scores, std::int64_t k, Array<std::uint8_t>& listed,
                 int threads) {
  VectorView<std::uint8_t> const listed_view{listed.mutable_data(), listed.size()};
  auto const score_view = matrix_of(scores);
  py::gil_scoped_release const release;
  metrics::mark_listed(HostContext{.threads = threads}, score_view, k, listed_view);
}

}  // namespace

void bind_metrics(py::module_& m) {
  auto part = m.def_submodule("metrics", "Ranks of relevant items and what they amount to.");
  part.def(
      "exclude",
      [](Array<float>& scores, Longs const& offsets, Array<NodeId> const& items) {
        metrics::exclude({.offsets = vector_of(offsets), .items = vector_of(items)},
                         mutable_matrix_of(scores));
      },
      py::arg("scores").noconvert(), py::arg("offsets"), py::arg("items"));
  part.def("ranks", &ranks, py::arg("scores"), py::arg("offsets"), py::arg("items"), py::kw_only(),
           py::arg("groups") = Array<std::int32_t>(0), py::arg("threads") = 0);
  part.def("ranking_metrics", &ranking_metrics, py::arg("offsets"), py::arg("ranks"), py::kw_only(),
           py::arg("k"));
  part.def("mark_listed", &mark_listed, py::arg("scores"), py::kw_only(), py::arg("k"),
           py::arg("listed").noconvert(), py::arg("threads") = 0);
}

}  // namespace relweave::python
