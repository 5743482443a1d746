#include <relweave/optim/adam.hpp>
#include <relweave/optim/schedule.hpp>
#include <relweave/optim/sgd.hpp>

#include "graph_arrays.hpp"

namespace relweave::python {

namespace {

template <typename Optimizer, typename T>
void step(Optimizer& self, Array<T>& values, Array<T> const& gradients, double learning_rate,
          int threads) {
  auto const v = mutable_vector_of(values);
  auto const g = vector_of(gradients);
  py::gil_scoped_release const release;
  self.step(HostContext{.threads = threads}, v, g, learning_rate);
}

template <typename Optimizer, typename T>
void step_rows(Optimizer& self, Array<T>& table, Array<NodeId> const& rows,
               Array<T> const& gradients, double learning_rate, int threads) {
  auto const t = mutable_matrix_of(table);
  auto const r = vector_of(rows);
  auto const g = matrix_of(gradients);
  py::gil_scoped_release const release;
  self.step_rows(HostContext{.threads = threads}, t, r, g, learning_rate);
}

template <typename Optimizer, typename T>
void bind_steps(py::class_<Optimizer>& c) {
  refuse_pickle(c, "optimizer", "Make a new one over the parameters.");
  c.def("step", &step<Optimizer, T>, py::arg("values").noconvert(),
        py::arg("gradients").noconvert(), py::kw_only(), py::arg("learning_rate"),
        py::arg("threads"));
  c.def("step_rows", &step_rows<Optimizer, T>, py::arg("table").noconvert(),
        py::arg("rows").noconvert(), py::arg("gradients").noconvert(), py::kw_only(),
        py::arg("learning_rate"), py::arg("threads"));
}

template <typename T>
void bind_for(py::module_& m, char const* adam, char const* sgd) {
  using Adam = optim::Adam<T>;
  py::class_<Adam> adam_class(m, adam);
  adam_class.def(
      py::init(
          [](std::int64_t size, double beta1, double beta2, double epsilon, double weight_decay) {
            return Adam(
                {.beta1 = beta1, .beta2 = beta2, .epsilon = epsilon, .weight_decay = weight_decay},
                size);
          }),
      py::arg("size"), py::kw_only(), py::arg("beta1"), py::arg("beta2"), py::arg("epsilon"),
      py::arg("weight_decay"));
  bind_steps<Adam, T>(adam_class);
  adam_class.def_property_readonly("moments", [](Adam const& self) {
    return std::pair(copy_of(self.mean()), copy_of(self.square()));
  });
  adam_class.def(
      "restore",
      [](Adam& self, std::int64_t steps, Array<T> const& mean, Array<T> const& square) {
        self.restore(steps, vector_of(mean), vector_of(square));
      },
      py::arg("steps"), py::arg("mean").noconvert(), py::arg("square").noconvert());

  using Sgd = optim::Sgd<T>;
  py::class_<Sgd> sgd_class(m, sgd);
  sgd_class.def(py::init([](std::int64_t size, double momentum, double dampening,
                            double weight_decay, bool nesterov) {
                  return Sgd({.momentum = momentum,
                              .dampening = dampening,
                              .weight_decay = weight_decay,
                              .nesterov = nesterov},
                             size);
                }),
                py::arg("size"), py::kw_only(), py::arg("momentum"), py::arg("dampening"),
                py::arg("weight_decay"), py::arg("nesterov"));
  bind_steps<Sgd, T>(sgd_class);
  sgd_class.def_property_readonly(
      "moments", [](Sgd const& self) { return py::make_tuple(copy_of(self.velocity())); });
  sgd_class.def(
      "restore",
      [](Sgd& self, std::int64_t, Array<T> const& velocity) { self.restore(vector_of(velocity)); },
      py::arg("steps"), py::arg("velocity").noconvert());
}

}  // namespace

void bind_optim(py::module_& m) {
  bind_for<float>(m, "AdamFloat32", "SgdFloat32");
  bind_for<double>(m, "AdamFloat64", "SgdFloat64");
  m.def(
      "cosine_schedule",
      [](double base, std::int64_t steps, std::int64_t step) {
        return optim::CosineSchedule{.base = base, .steps = steps}(step);
      },
      py::arg("base"), py::arg("steps"), py::arg("step"));
}

}  // namespace relweave::python
