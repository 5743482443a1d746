#include <pybind11/stl.h>

#include <relweave/core/error.hpp>
#include <relweave/graph/compact_block.hpp>
#include <relweave/nn/hetero_sage.hpp>

#include "graph_arrays.hpp"

namespace relweave::python {

namespace {

/// A network with its parameters and the cache of its last forward pass on a whole graph.
template <typename T>
class Sage {
 public:
  Sage(graph::Schema const& schema, std::vector<std::int64_t> in_features,
       std::vector<std::int64_t> out_features, std::string const& reduce, bool l2_normalize,
       bool share_directions, std::uint64_t seed)
      : schema_(schema),
        network_(schema_,
                 {.in_features = std::move(in_features),
                  .out_features = std::move(out_features),
                  .reduce = reduce == "max"    ? Reduce::max
                            : reduce == "mean" ? Reduce::mean
                                               : Reduce::sum,
                  .l2_normalize = l2_normalize,
                  .sharing = share_directions ? nn::WeightSharing::shared_between_directions
                                              : nn::WeightSharing::separate}) {
    network_.register_parameters(parameters_);
    parameters_.allocate();
    network_.initialize(parameters_, seed);
  }

  /// Views of all values or gradients by name; `owner` keeps the memory alive.
  static py::dict tensors(py::object const& owner, bool gradients) {
    auto& self = owner.cast<Sage&>();
    py::dict result;
    for (nn::ParameterInfo const& info : self.parameters_.infos()) {
      T* const data =
          (gradients ? self.parameters_.gradients() : self.parameters_.values()).data + info.offset;
      result[py::str(info.name)] = info.vector
                                       ? py::array_t<T>({info.cols}, data, owner)
                                       : py::array_t<T>({info.rows, info.cols}, data, owner);
    }
    return result;
  }

  std::vector<Array<T>> forward(SharedGraph const& graph, std::vector<Array<T>> inputs,
                                int threads) {
    if (!(graph->schema() == schema_)) {
      raise<GraphError>("HeteroSAGE", "graph", "another schema", "the schema of the network");
    }
    if (graph_ != graph) {
      graph_.reset();  // in case there is no memory for the new one's block
      block_ = graph::CompactBlock(HostContext{.threads = threads}, graph->block());
      graph_ = graph;
    }
    inputs_ = std::move(inputs);  // the backward pass reads them
    auto const views = matrices_of(inputs_);
    auto const blocks = layer_blocks();
    {
      py::gil_scoped_release const release;
      network_.forward(HostContext{.threads = threads}, parameters_, blocks, views, cache_);
    }
    std::vector<Array<T>> outputs;
    for (std::size_t t = 0; t < inputs_.size(); ++t) {
      outputs.push_back(copy_of(cache_.output(static_cast<NodeTypeId>(t))));
    }
    return outputs;
  }

  std::vector<Array<T>> backward(std::vector<Array<T>> const& grad_outputs, int threads) {
    if (!graph_) {
      raise<ConfigError>("HeteroSAGE.backward", "network", "no forward pass",
                         "a forward pass before the backward pass");
    }
    std::vector<Array<T>> grads;
    std::vector<MatrixView<T>> grad_views;
    for (auto const& input : inputs_) {
      grad_views.push_back(
          mutable_matrix_of(grads.emplace_back(new_matrix<T>(input.shape(0), input.shape(1)))));
    }
    auto const views = matrices_of(inputs_);
    auto const outputs = matrices_of(grad_outputs);
    auto const blocks = layer_blocks();
    py::gil_scoped_release const release;
    parameters_.zero_gradients();
    network_.backward(HostContext{.threads = threads}, parameters_, blocks, views, cache_, outputs,
                      grad_views);
    return grads;
  }

 private:
  std::vector<BlockView> layer_blocks() const {
    return std::vector<BlockView>(network_.config().out_features.size(), block_.view());
  }

  graph::Schema schema_;
  nn::HeteroSage<T> network_;
  nn::ParameterSet<T> parameters_;
  nn::HeteroSageCache<T> cache_;
  SharedGraph graph_;
  graph::CompactBlock block_;  // of graph_
  std::vector<Array<T>> inputs_;
};

template <typename T>
void bind_sage(py::module_& m, char const* name) {
  py::class_<Sage<T>> network(m, name);
  refuse_pickle(network, "HeteroSAGE",
                "Save parameters() with rw.io.save_safetensors and read them with "
                "load_parameters.");
  network
      .def(py::init<graph::Schema const&, std::vector<std::int64_t>, std::vector<std::int64_t>,
                    std::string const&, bool, bool, std::uint64_t>(),
           py::arg("schema"), py::kw_only(), py::arg("in_features"), py::arg("out_features"),
           py::arg("reduce"), py::arg("l2_normalize"), py::arg("share_directions"), py::arg("seed"))
      .def("parameters", [](py::object const& self) { return Sage<T>::tensors(self, false); })
      .def("gradients", [](py::object const& self) { return Sage<T>::tensors(self, true); })
      .def("forward", &Sage<T>::forward, py::arg("graph"), py::arg("inputs").noconvert(),
           py::kw_only(), py::arg("threads") = 0)
      .def("backward", &Sage<T>::backward, py::arg("grad_outputs").noconvert(), py::kw_only(),
           py::arg("threads") = 0);
}

}  // namespace

void bind_nn(py::module_& m) {
  bind_sage<float>(m, "HeteroSageFloat32");
  bind_sage<double>(m, "HeteroSageFloat64");
}

}  // namespace relweave::python
