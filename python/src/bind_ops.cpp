#include <pybind11/stl.h>

#include <optional>

#include <relweave/core/error.hpp>
#include <relweave/core/round_trip.hpp>
#include <relweave/ops/gather_rows/bandwidth.hpp>
#include <relweave/ops/linear/linear.hpp>

#include "graph_arrays.hpp"

namespace relweave::python {

namespace {

template <typename T>
Array<T> linear(Array<T> const& x, Array<T> const& weight, std::optional<Array<T>> const& bias,
                bool relu, int threads) {
  auto const rows = matrix_of(x);
  auto const w = matrix_of(weight);
  auto const b = bias ? vector_of(*bias) : VectorView<T const>{};
  auto out = new_matrix<T>(rows.rows, w.cols);
  auto const out_view = mutable_matrix_of(out);
  {
    py::gil_scoped_release const release;
    ops::linear<T>(HostContext{.threads = threads}, rows, w, b,
                   {.activation = relu ? Activation::relu : Activation::identity}, out_view);
  }
  return out;
}

template <typename T>
void bind_linear(py::module_& m) {
  m.def("linear", &linear<T>, py::arg("x").noconvert(), py::arg("weight").noconvert(),
        py::arg("bias").noconvert(), py::kw_only(), py::arg("relu"), py::arg("threads"));
}

}  // namespace

void bind_ops(py::module_& m) {
  bind_linear<float>(m);
  bind_linear<double>(m);
  m.def("round_trip", &round_trip, py::call_guard<py::gil_scoped_release>());
  m.def(
      "gather_bandwidth",
      [](Array<float> const& rows, Array<NodeId> const& list, int threads) {
        auto const matrix = matrix_of(rows);
        auto const view = vector_of(list);
        expect_indices("gather_bandwidth", "list", view, matrix.rows);
        py::gil_scoped_release const release;
        return ops::gather_bandwidth(HostContext{.threads = threads}, matrix, view);
      },
      py::arg("rows").noconvert(), py::arg("list").noconvert(), py::kw_only(), py::arg("threads"));
}

}  // namespace relweave::python
