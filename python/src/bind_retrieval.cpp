#include <pybind11/stl.h>

#include <optional>
#include <type_traits>
#include <variant>

#include <relweave/core/error.hpp>
#include <relweave/retrieval/device_exact_index.hpp>
#include <relweave/retrieval/exact_index.hpp>

#include "device_context.hpp"
#include "graph_arrays.hpp"
#include "model_arrays.hpp"

namespace relweave::python {

namespace {

using retrieval::DeviceExactIndex;
using retrieval::ExactIndex;

/// An index where it is searched.
struct PlacedIndex {
  std::variant<ExactIndex, DeviceExactIndex> index;
  int device;
  bool given_on_device;

  template <AnyContext C>
  auto const& on() const {
    using Index = std::conditional_t<space_of<C> == Space::host, ExactIndex, DeviceExactIndex>;
    return std::get<Index>(index);
  }
};

PlacedIndex make_index(AnyMatrix const& vectors, std::vector<std::int32_t> const& types,
                       std::optional<Array<float>> const& bias, int device) {
  auto const type_ids = types_of(types);
  Array<float> const host = on_device(vectors)
                                ? Array<float>(std::get<DeviceArray>(vectors).to_numpy())
                                : std::get<Array<float>>(vectors);
  ExactIndex index(matrix_of(host), view_of(type_ids),
                   bias ? vector_of(*bias) : VectorView<float const>{});
  if (device == cpu_number) {
    return {std::move(index), device, false};
  }
  std::optional<DeviceExactIndex> there;
  with_device(0, device, [&](CudaContext const& ctx) { there.emplace(ctx, index); });
  return {std::move(*there), device, on_device(vectors)};
}

py::tuple search(PlacedIndex const& self, AnyMatrix const& queries, std::int64_t k,
                 std::optional<Array<std::int64_t>> const& excluded_offsets,
                 Array<NodeId> const& excluded_items, std::vector<std::int32_t> const& types,
                 Array<NodeId> const& allowed, int threads) {
  if (k < 1) {
    raise<ConfigError>("ExactIndex.search", "k", std::to_string(k), "at least 1");
  }
  auto const type_ids = types_of(types);
  retrieval::SearchOptions options{
      .allowed_types = type_ids,
      .allowed_items = {allowed.data(), static_cast<std::size_t>(allowed.size())}};
  if (excluded_offsets) {
    options.excluded_offsets = vector_of(*excluded_offsets);
    options.excluded_items = vector_of(excluded_items);
  }
  bool const stays = self.given_on_device || on_device(queries);
  Output<NodeId> indices(rows_of(queries), k, stays);
  Output<float> scores(rows_of(queries), k, stays);
  with_context(threads, self.device, [&]<AnyContext C>(C const& ctx) {
    Input<space_of<C>> const q(ctx, queries);
    self.on<C>().search(ctx, q.view(), k, options, indices.view(ctx), scores.view(ctx));
    indices.finish(ctx);
    scores.finish(ctx);
  });
  return py::make_tuple(indices.take(), scores.take());
}

void add(PlacedIndex& self, Array<float> const& vectors) {
  if (self.device != cpu_number) {
    raise<ConfigError>("ExactIndex.add", "device", "an index on a GPU", "one on the CPU",
                       "Build an index of all vectors there.");
  }
  std::get<ExactIndex>(self.index).add(matrix_of(vectors));
}

std::int64_t size(PlacedIndex const& self) {
  return std::visit([](auto const& index) { return index.size(); }, self.index);
}
std::int64_t dimension(PlacedIndex const& self) {
  return std::visit([](auto const& index) { return index.dimension(); }, self.index);
}

}  // namespace

void bind_retrieval(py::module_& m) {
  py::class_<PlacedIndex> index(m, "ExactIndex");
  refuse_pickle(index, "ExactIndex", "Pickle the vectors and build the index again.");
  index
      .def(py::init(&make_index), py::arg("vectors"), py::kw_only(),
           py::arg("types") = std::vector<std::int32_t>{}, py::arg("bias") = py::none(),
           py::arg("device") = cpu_number)
      .def("add", &add, py::arg("vectors"))
      .def("search", &search, py::arg("queries"), py::kw_only(), py::arg("k"),
           py::arg("excluded_offsets") = py::none(), py::arg("excluded_items") = Array<NodeId>(0),
           py::arg("types") = std::vector<std::int32_t>{}, py::arg("allowed") = Array<NodeId>(0),
           py::arg("threads") = 0)
      .def_property_readonly("size", &size)
      .def_property_readonly("dimension", &dimension);
}

}  // namespace relweave::python
