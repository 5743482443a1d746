#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/ops/relation_aggregate/reference.hpp>
#include <relweave/ops/relation_aggregate/relation_aggregate.hpp>

#include "graph_arrays.hpp"

namespace relweave::python {

namespace {

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

/// A forward pass, with what its backward pass needs.
template <typename T>
class Aggregation {
 public:
  Aggregation(SharedGraph graph, std::int32_t destination, ops::RelationAggregateParams params,
              bool reference)
      : graph_(std::move(graph)),
        destination_(destination),
        params_(params),
        reference_(reference) {}

  /// Leaves the cache as it is with `keep` false.
  Array<T> forward(Array<T> const& messages, std::optional<Array<T>> const& self, bool keep,
                   int threads) {
    auto const csr = this->csr();
    auto const z = matrix_of(messages);
    auto const own = self ? matrix_of(*self) : MatrixView<T const>{};
    out_ = new_matrix<T>(csr.n_dst, z.cols);
    auto const out = mutable_matrix_of(out_);
    auto* const cache = keep ? &cache_ : nullptr;
    has_self_ = self.has_value();
    py::gil_scoped_release const release;
    if (reference_) {
      ops::reference::relation_aggregate<T>(csr, z, own, params_, out, cache);
    } else {
      ops::relation_aggregate<T>(HostContext{.threads = threads}, csr, z, own, params_, out, cache);
    }
    return out_;
  }

  /// The winners of max as int64, (n_dst * relations, d), -1 for none.
  Array<std::int64_t> arg() const {
    std::int64_t const rows = csr().n_dst * csr().relations;
    auto result = new_matrix<std::int64_t>(rows, out_.shape(1));
    std::int64_t* const to = result.mutable_data();
    auto const widen = [&]<typename A>(A) {
      auto const* const slots = reinterpret_cast<A const*>(cache_.arg.data());
      for (std::int64_t i = 0; i < result.size(); ++i) {
        to[i] = slots[i] == static_cast<A>(~A{0}) ? -1 : static_cast<std::int64_t>(slots[i]);
      }
    };
    py::gil_scoped_release const release;
    switch (cache_.arg_width) {
      case 1:
        widen(std::uint8_t{});
        break;
      case 2:
        widen(std::uint16_t{});
        break;
      default:
        widen(std::uint32_t{});
    }
    return result;
  }

  /// Gradients of the messages and, where the forward pass had it, of the own term.
  py::tuple backward(Array<T> const& grad_out, int threads) const {
    auto const csr = this->csr();
    auto const g = matrix_of(grad_out);
    auto grad_messages = new_matrix<T>(csr.message_rows, g.cols);
    auto grad_self = new_matrix<T>(has_self_ ? csr.n_dst : 0, g.cols);
    auto const to_messages = mutable_matrix_of(grad_messages);
    auto const to_self = has_self_ ? mutable_matrix_of(grad_self) : MatrixView<T>{};
    {
      auto const out = matrix_of(out_);
      py::gil_scoped_release const release;
      if (reference_) {
        ops::reference::relation_aggregate_backward<T>(csr, out, cache_, g, params_, to_messages,
                                                       to_self);
      } else {
        ops::relation_aggregate_backward<T>(HostContext{.threads = threads}, csr, out, cache_, g,
                                            params_, to_messages, to_self);
      }
    }
    return py::make_tuple(grad_messages,
                          has_self_ ? py::object(std::move(grad_self)) : py::object(py::none()));
  }

 private:
  RelationCsrView<> csr() const { return graph_->csr(static_cast<NodeTypeId>(destination_)); }

  SharedGraph graph_;
  std::int32_t destination_;
  ops::RelationAggregateParams params_;
  bool reference_;
  bool has_self_ = false;
  Array<T> out_;
  ops::RelationAggregateCache<T> cache_;
};

/// The result and, with `keep`, the pass itself.
template <typename T>
py::tuple aggregate(SharedGraph const& graph, std::int32_t destination, Array<T> const& messages,
                    std::optional<Array<T>> const& self, std::string const& reduce, bool relu,
                    bool l2_normalize, bool reference, bool keep, int threads) {
  ops::RelationAggregateParams const params{
      .reduce = reduce_of(reduce),
      .activation = relu ? Activation::relu : Activation::identity,
      .l2_normalize = l2_normalize};
  auto pass = std::make_unique<Aggregation<T>>(graph, destination, params, reference);
  auto out = pass->forward(messages, self, keep, threads);
  return py::make_tuple(out, keep ? py::cast(std::move(pass)) : py::none());
}

template <typename T>
void bind_aggregation(py::module_& m, char const* name) {
  py::class_<Aggregation<T>> pass(m, name);
  refuse_pickle(pass, "relation_aggregate", "Keep the arrays and aggregate them again.");
  pass.def("arg", &Aggregation<T>::arg)
      .def("backward", &Aggregation<T>::backward, py::arg("grad_out").noconvert(), py::kw_only(),
           py::arg("threads"));
  m.def("relation_aggregate", &aggregate<T>, py::arg("graph"), py::arg("destination"),
        py::arg("messages").noconvert(), py::arg("self").noconvert(), py::kw_only(),
        py::arg("reduce"), py::arg("relu"), py::arg("l2_normalize"), py::arg("reference"),
        py::arg("keep"), py::arg("threads"));
}

}  // namespace

void bind_aggregate(py::module_& m) {
  bind_aggregation<float>(m, "AggregationFloat32");
  bind_aggregation<double>(m, "AggregationFloat64");
}

}  // namespace relweave::python
