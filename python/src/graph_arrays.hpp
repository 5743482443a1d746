#pragma once

#include <memory>

#include <relweave/graph/hetero_graph.hpp>

#include "bindings.hpp"

namespace relweave::python {

/// A frozen graph as Python holds it: shared, so that layers may keep it.
using SharedGraph = std::shared_ptr<graph::HeteroGraph>;

/// One array per node type as views.
template <typename T>
std::vector<MatrixView<T const>> matrices_of(std::vector<Array<T>> const& arrays) {
  std::vector<MatrixView<T const>> views;
  for (auto const& a : arrays) {
    views.push_back(matrix_of(a));
  }
  return views;
}

void bind_aggregate(py::module_& m);
void bind_graph(py::module_& m);
void bind_io(py::module_& m);
void bind_loss(py::module_& m);
void bind_metrics(py::module_& m);
void bind_nn(py::module_& m);
void bind_ops(py::module_& m);
void bind_optim(py::module_& m);
void bind_retrieval(py::module_& m);
void bind_sampling(py::module_& m);
void bind_transform(py::module_& m);

}  // namespace relweave::python
