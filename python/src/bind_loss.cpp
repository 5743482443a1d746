#include <pybind11/stl.h>

#include <optional>

#include <relweave/loss/bpr.hpp>
#include <relweave/loss/dot_product.hpp>
#include <relweave/loss/margin.hpp>
#include <relweave/loss/sampled_softmax.hpp>
#include <relweave/optim/adam.hpp>

#include "graph_arrays.hpp"

namespace relweave::python {

namespace {

template <typename T>
VectorView<T> mutable_vector_of(Array<T>& a) {
  return {a.mutable_data(), a.size()};
}

template <typename T>
py::tuple margin(Array<T> const& positive, Array<T> const& negative, double margin) {
  Array<T> grad_positive(positive.size());
  auto grad_negative = new_matrix<T>(negative.shape(0), negative.shape(1));
  double const value =
      loss::margin<T>(HostContext{}, vector_of(positive), matrix_of(negative), {.margin = margin},
                      mutable_vector_of(grad_positive), mutable_matrix_of(grad_negative));
  return py::make_tuple(value, grad_positive, grad_negative);
}

template <typename T>
py::tuple bpr(Array<T> const& positive, Array<T> const& negative) {
  Array<T> grad_positive(positive.size());
  auto grad_negative = new_matrix<T>(negative.shape(0), negative.shape(1));
  double const value =
      loss::bpr<T>(HostContext{}, vector_of(positive), matrix_of(negative),
                   mutable_vector_of(grad_positive), mutable_matrix_of(grad_negative));
  return py::make_tuple(value, grad_positive, grad_negative);
}

template <typename T>
py::tuple sampled_softmax(Array<T> const& scores, Array<NodeId> const& target,
                          Array<T> const& log_q, std::optional<Array<T>> const& count,
                          double temperature, double correction) {
  auto grad = new_matrix<T>(scores.shape(0), scores.shape(1));
  double const value = loss::sampled_softmax<T>(
      HostContext{}, matrix_of(scores),
      {.target = vector_of(target),
       .log_q = vector_of(log_q),
       .count = count ? vector_of(*count) : VectorView<T const>{}},
      {.temperature = temperature, .correction = correction}, {}, mutable_matrix_of(grad));
  return py::make_tuple(value, grad);
}

template <typename T>
py::tuple dot_product(Array<T> const& scores, Array<NodeId> const& target,
                      Array<T> const& weights) {
  auto grad = new_matrix<T>(scores.shape(0), scores.shape(1));
  double const value = loss::dot_product<T>(HostContext{}, matrix_of(scores), vector_of(target),
                                            vector_of(weights), mutable_matrix_of(grad));
  return py::make_tuple(value, grad);
}

template <typename T>
void bind_for(py::module_& m) {
  m.def("margin", &margin<T>, py::arg("positive").noconvert(), py::arg("negative").noconvert(),
        py::kw_only(), py::arg("margin"));
  m.def("bpr", &bpr<T>, py::arg("positive").noconvert(), py::arg("negative").noconvert());
  m.def("sampled_softmax", &sampled_softmax<T>, py::arg("scores").noconvert(), py::arg("target"),
        py::arg("log_q").noconvert(), py::arg("count").noconvert() = py::none(), py::kw_only(),
        py::arg("temperature"), py::arg("correction"));
  m.def("dot_product", &dot_product<T>, py::arg("scores").noconvert(), py::arg("target"),
        py::arg("weights").noconvert());
}

template <typename T>
void bind_adam(py::module_& m, char const* name) {
  using Adam = optim::Adam<T>;
  py::class_<Adam>(m, name)
      .def(py::init([](std::int64_t size, double beta1, double beta2, double epsilon,
                       double weight_decay) {
             return Adam(
                 {.beta1 = beta1, .beta2 = beta2, .epsilon = epsilon, .weight_decay = weight_decay},
                 size);
           }),
           py::arg("size"), py::kw_only(), py::arg("beta1") = 0.9, py::arg("beta2") = 0.999,
           py::arg("epsilon") = 1e-8, py::arg("weight_decay") = 0.0)
      .def(
          "step",
          [](Adam& self, Array<T>& values, Array<T> const& gradients, double learning_rate) {
            self.step(HostContext{}, mutable_vector_of(values), vector_of(gradients),
                      learning_rate);
          },
          py::arg("values").noconvert(), py::arg("gradients").noconvert(),
          py::arg("learning_rate"));
}

}  // namespace

void bind_loss(py::module_& m) {
  auto losses = m.def_submodule("loss", "Losses with their gradients.");
  bind_for<float>(losses);
  bind_for<double>(losses);
  bind_adam<float>(m, "AdamFloat32");
  bind_adam<double>(m, "AdamFloat64");
}

}  // namespace relweave::python
