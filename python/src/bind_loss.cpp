#include <pybind11/stl.h>

#include <optional>

#include <relweave/loss/bpr.hpp>
#include <relweave/loss/dot_product.hpp>
#include <relweave/loss/margin.hpp>
#include <relweave/loss/sampled_softmax.hpp>

#include "graph_arrays.hpp"

namespace relweave::python {

namespace {

/// Calls call(positive, negative, grad_positive, grad_negative) without the interpreter's lock.
template <typename T, typename Call>
py::tuple pairwise(Array<T> const& positive, Array<T> const& negative, Call const& call) {
  auto const p = vector_of(positive);
  auto const n = matrix_of(negative);
  Array<T> grad_positive(positive.size());
  auto grad_negative = new_matrix<T>(n.rows, n.cols);
  auto const gp = mutable_vector_of(grad_positive);
  auto const gn = mutable_matrix_of(grad_negative);
  double value = 0;
  {
    py::gil_scoped_release const release;
    value = call(p, n, gp, gn);
  }
  return py::make_tuple(value, grad_positive, grad_negative);
}

template <typename T>
py::tuple margin(Array<T> const& positive, Array<T> const& negative, double margin, int threads) {
  return pairwise(positive, negative, [&](auto p, auto n, auto gp, auto gn) {
    return loss::margin<T>(HostContext{.threads = threads}, p, n, {.margin = margin}, gp, gn);
  });
}

template <typename T>
py::tuple bpr(Array<T> const& positive, Array<T> const& negative, int threads) {
  return pairwise(positive, negative, [&](auto p, auto n, auto gp, auto gn) {
    return loss::bpr<T>(HostContext{.threads = threads}, p, n, gp, gn);
  });
}

/// Calls call(scores, grad) without the interpreter's lock.
template <typename T, typename Call>
py::tuple of_scores(Array<T> const& scores, Call const& call) {
  auto const s = matrix_of(scores);
  auto grad = new_matrix<T>(s.rows, s.cols);
  auto const g = mutable_matrix_of(grad);
  double value = 0;
  {
    py::gil_scoped_release const release;
    value = call(s, g);
  }
  return py::make_tuple(value, grad);
}

template <typename T>
VectorView<T const> optional_vector(std::optional<Array<T>> const& values) {
  return values ? vector_of(*values) : VectorView<T const>{};
}

template <typename T>
py::tuple sampled_softmax(Array<T> const& scores, Array<NodeId> const& target,
                          Array<T> const& log_q, std::optional<Array<T>> const& count,
                          std::optional<Array<T>> const& row_weights, double temperature,
                          double correction, int threads) {
  loss::Candidates<T> const candidates{
      .target = vector_of(target), .log_q = vector_of(log_q), .count = optional_vector(count)};
  loss::SampledSoftmaxParams const params{.temperature = temperature, .correction = correction};
  auto const weights = optional_vector(row_weights);
  return of_scores(scores, [&](auto s, auto grad) {
    return loss::sampled_softmax<T>(HostContext{.threads = threads}, s, candidates, params, weights,
                                    grad);
  });
}

template <typename T>
py::tuple dot_product(Array<T> const& scores, Array<NodeId> const& target, Array<T> const& weights,
                      int threads) {
  auto const t = vector_of(target);
  auto const w = vector_of(weights);
  return of_scores(scores, [&](auto s, auto grad) {
    return loss::dot_product<T>(HostContext{.threads = threads}, s, t, w, grad);
  });
}

template <typename T>
void bind_for(py::module_& m) {
  m.def("margin", &margin<T>, py::arg("positive").noconvert(), py::arg("negative").noconvert(),
        py::kw_only(), py::arg("margin"), py::arg("threads"));
  m.def("bpr", &bpr<T>, py::arg("positive").noconvert(), py::arg("negative").noconvert(),
        py::kw_only(), py::arg("threads"));
  m.def("sampled_softmax", &sampled_softmax<T>, py::arg("scores").noconvert(),
        py::arg("target").noconvert(), py::arg("log_q").noconvert(), py::kw_only(),
        py::arg("count").noconvert(), py::arg("row_weights").noconvert(), py::arg("temperature"),
        py::arg("correction"), py::arg("threads"));
  m.def("dot_product", &dot_product<T>, py::arg("scores").noconvert(),
        py::arg("target").noconvert(), py::arg("weights").noconvert(), py::kw_only(),
        py::arg("threads"));
}

}  // namespace

void bind_loss(py::module_& m) {
  auto losses = m.def_submodule("loss", "Losses with their gradients.");
  bind_for<float>(losses);
  bind_for<double>(losses);
}

}  // namespace relweave::python
