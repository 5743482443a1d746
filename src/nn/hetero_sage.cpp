#include <relweave/nn/hetero_sage.hpp>

#include <algorithm>
#include <memory>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/nn/init.hpp>
#include <relweave/ops/gather_rows/gather_rows.hpp>
#include <relweave/ops/linear/linear.hpp>

namespace relweave::nn {

namespace {

constexpr std::string_view here = "HeteroSage";

template <typename Id>
std::size_t at(Id id) {
  return static_cast<std::size_t>(index(id));
}

/// For every relation the lowest one that shares its weights.
std::vector<RelationId> sharing_of(graph::Schema const& schema, WeightSharing sharing) {
  std::vector<RelationId> result;
  for (std::int32_t r = 0; r < schema.relation_count(); ++r) {
    auto const& relation = schema.relation(static_cast<RelationId>(r));
    auto owner = static_cast<RelationId>(r);
    for (std::int32_t q = 0; q < r && sharing == WeightSharing::shared_between_directions; ++q) {
      auto const& other = schema.relation(static_cast<RelationId>(q));
      if (other.name == relation.name && other.source == relation.destination &&
          other.destination == relation.source) {
        owner = static_cast<RelationId>(q);
      }
    }
    result.push_back(owner);
  }
  return result;
}

/// Views in scratch memory, to be replaced layer by layer.
template <typename View>
std::span<View> copy_of(std::span<View const> views, Workspace::Scope& scratch) {
  View* const copy = scratch.vector<View>(std::ssize(views)).data;
  return {copy, std::uninitialized_copy(views.begin(), views.end(), copy)};
}

// Source types into one destination type are worth a task each when none has more than one in this
// many of the messages: threads then end together, and small products are not split.
constexpr std::int64_t balanced_sources = 8;

/// Calls fn(ctx, r) for every relation of a block: those of a source type in order, since they add
/// to the same gradients, and source types in parallel where that is balanced. Otherwise what fn
/// calls is parallel, with the same results.
template <typename Fn>
void for_each_relation(HostContext const& ctx, DestinationBlock const& block, std::int64_t types,
                       Fn const& fn) {
  auto const of = [&](std::int64_t type, auto const& each) {
    for (std::size_t r = 0; r < block.relations.size(); ++r) {
      if (index(block.relations[r].source) == type) {
        each(r);
      }
    }
  };
  std::int64_t largest = 0;
  for (std::int64_t type = 0; type < types; ++type) {
    std::int64_t rows = 0;
    of(type, [&](std::size_t r) { rows += block.relations[r].message_rows; });
    largest = std::max(largest, rows);
  }
  if (largest * balanced_sources > block.csr.message_rows) {
    for (std::size_t r = 0; r < block.relations.size(); ++r) {
      fn(ctx, r);
    }
    return;
  }
  HostContext const inside{.threads = 1, .isa = ctx.isa};  // with the scratch memory of its thread
  parallel_for(ctx, types,
               [&](std::int64_t type) { of(type, [&](std::size_t r) { fn(inside, r); }); });
}

}  // namespace

template <Scalar T>
HeteroSage<T>::HeteroSage(graph::Schema const& schema, HeteroSageConfig config)
    : schema_(schema),
      config_(std::move(config)),
      weights_of_(sharing_of(schema, config_.sharing)) {
  if (std::ssize(config_.in_features) != schema.node_type_count()) {
    raise<ConfigError>(here, "in_features", std::to_string(config_.in_features.size()) + " sizes",
                       std::to_string(schema.node_type_count()) + ", one per node type");
  }
  if (config_.out_features.empty()) {
    raise<ConfigError>(here, "out_features", "no layer", "at least one layer");
  }
  for (auto const& sizes : {config_.in_features, config_.out_features}) {
    for (std::int64_t const size : sizes) {
      if (size < 1) {
        raise<ConfigError>(here, "features", std::to_string(size), "at least 1");
      }
    }
  }
  for (std::int32_t r = 0; r < schema.relation_count(); ++r) {
    RelationId const owner = weights_of_[static_cast<std::size_t>(r)];
    auto const source = schema.relation(static_cast<RelationId>(r)).source;
    auto const owner_source = schema.relation(owner).source;
    if (in_features(0, source) != in_features(0, owner_source)) {
      raise<ConfigError>(here, "sharing",
                         "directions of " + schema.full_name(owner) + " with " +
                             std::to_string(in_features(0, source)) + " and " +
                             std::to_string(in_features(0, owner_source)) + " input features",
                         "the same number for both", "Use WeightSharing::separate.");
    }
  }
}

template <Scalar T>
std::int64_t HeteroSage<T>::in_features(std::size_t layer, NodeTypeId type) const {
  return layer == 0 ? config_.in_features[at(type)] : config_.out_features[layer - 1];
}

template <Scalar T>
ops::RelationAggregateParams HeteroSage<T>::aggregate_params(std::size_t layer) const {
  bool const last = layer + 1 == config_.out_features.size();
  return {.reduce = config_.reduce,
          .activation = last ? config_.last_activation : config_.activation,
          .l2_normalize = last && config_.l2_normalize};
}

template <Scalar T>
typename HeteroSage<T>::Message const& HeteroSage<T>::message(std::size_t layer,
                                                              RelationId relation) const {
  return layers_.at(layer).message.at(at(relation));
}

template <Scalar T>
ParameterId HeteroSage<T>::self(std::size_t layer, NodeTypeId type) const {
  return layers_.at(layer).self.at(at(type));
}

template <Scalar T>
void HeteroSage<T>::register_parameters(ParameterSet<T>& parameters) {
  layers_.clear();
  for (std::size_t l = 0; l < config_.out_features.size(); ++l) {
    Layer layer;
    std::string const prefix = "layers." + std::to_string(l) + ".";
    for (std::int32_t r = 0; r < schema_.relation_count(); ++r) {
      RelationId const owner = weights_of_[static_cast<std::size_t>(r)];
      if (index(owner) < r) {
        layer.message.push_back(layer.message[at(owner)]);
        continue;
      }
      std::string const name = prefix + "message." + schema_.full_name(owner);
      ParameterId const weight =
          parameters.add_matrix(name + ".weight", in_features(l, schema_.relation(owner).source),
                                config_.out_features[l]);
      layer.message.push_back(
          {weight, parameters.add_vector(name + ".bias", config_.out_features[l])});
    }
    for (std::int32_t t = 0; t < schema_.node_type_count(); ++t) {
      auto const type = static_cast<NodeTypeId>(t);
      layer.self.push_back(parameters.add_matrix(prefix + "self." + schema_.name(type) + ".weight",
                                                 in_features(l, type), config_.out_features[l]));
    }
    layers_.push_back(std::move(layer));
  }
}

template <Scalar T>
void HeteroSage<T>::initialize(ParameterSet<T>& parameters, std::uint64_t seed) const {
  for (std::size_t i = 0; i < parameters.infos().size(); ++i) {
    ParameterInfo const& info = parameters.infos()[i];
    if (!info.vector) {
      uniform_init<T>({parameters.values().data + info.offset, info.rows * info.cols},
                      unit_variance_bound(info.rows), seed, i);
    }
  }
}

template <Scalar T>
void HeteroSage<T>::check(std::span<BlockView const> blocks,
                          std::span<MatrixView<T const> const> inputs) const {
  if (blocks.size() != config_.out_features.size()) {
    raise<ShapeError>(here, "blocks", std::to_string(blocks.size()),
                      std::to_string(config_.out_features.size()) + ", one per layer");
  }
  auto const types = static_cast<std::size_t>(schema_.node_type_count());
  if (inputs.size() != types) {
    raise<ShapeError>(here, "inputs", std::to_string(inputs.size()) + " matrices",
                      std::to_string(types) + ", one per node type");
  }
  for (std::size_t t = 0; t < types; ++t) {
    auto const type = static_cast<NodeTypeId>(t);
    expect_shape(here, "inputs[" + schema_.name(type) + "]", inputs[t], blocks[0].n_src[t],
                 in_features(0, type));
  }
}

template <Scalar T>
void HeteroSage<T>::forward(HostContext const& ctx, ParameterSet<T> const& parameters,
                            std::span<BlockView const> blocks,
                            std::span<MatrixView<T const> const> inputs,
                            HeteroSageCache<T>& cache) const {
  check(blocks, inputs);
  cache.layers.resize(layers_.size());
  Workspace::Scope scratch(scratch_of(ctx));
  auto const h = copy_of(inputs, scratch);  // per type: (n_src, in)
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    auto& caches = cache.layers[l];
    caches.resize(inputs.size());
    std::int64_t const d = config_.out_features[l];
    for (DestinationBlock const& block : blocks[l].destinations) {
      auto& c = caches[at(block.type)];
      c.self.reset(block.csr.n_dst, d);
      c.messages.reset(block.csr.message_rows, d);
      c.gathered.resize(block.relations.size());
      c.out.reset(block.csr.n_dst, d);
      ops::linear<T>(ctx, h[at(block.type)].row_slice(0, block.csr.n_dst),
                     parameters.matrix(self(l, block.type)), {}, {}, c.self.view());
      for_each_relation(
          ctx, block, schema_.node_type_count(), [&](HostContext const& inside, std::size_t r) {
            RelationBlock const& relation = block.relations[r];
            MatrixView<T const> source = h[at(relation.source)];
            if (!relation.source_rows.empty()) {
              c.gathered[r].reset(relation.message_rows, source.cols);
              ops::gather_rows<T>(inside, source, relation.source_rows, c.gathered[r].view());
              source = c.gathered[r].view();
            }
            Message const& message = this->message(l, relation.relation);
            ops::linear<T>(
                inside, source.row_slice(0, relation.message_rows),
                parameters.matrix(message.weight), parameters.vector(message.bias),
                {.activation = Activation::relu},
                c.messages.view().row_slice(relation.message_base, relation.message_rows));
          });
      ops::relation_aggregate<T>(ctx, block.csr, c.messages.view(), c.self.view(),
                                 aggregate_params(l), c.out.view(), &c.aggregate);
    }
    for (std::size_t t = 0; t < inputs.size(); ++t) {
      h[t] = caches[t].out.view();
    }
  }
}

template <Scalar T>
void HeteroSage<T>::backward(HostContext const& ctx, ParameterSet<T>& parameters,
                             std::span<BlockView const> blocks,
                             std::span<MatrixView<T const> const> inputs, HeteroSageCache<T>& cache,
                             std::span<MatrixView<T const> const> grad_outputs,
                             std::span<MatrixView<T> const> grad_inputs) const {
  check(blocks, inputs);
  std::size_t const types = inputs.size();
  if (grad_outputs.size() != types || (!grad_inputs.empty() && grad_inputs.size() != types)) {
    raise<ShapeError>(here, "grad_outputs, grad_inputs",
                      std::to_string(grad_outputs.size()) + " and " +
                          std::to_string(grad_inputs.size()) + " matrices",
                      std::to_string(types) + ", one per node type");
  }
  auto const& frozen = std::as_const(parameters);
  Workspace::Scope views(scratch_of(ctx));
  auto const grad = copy_of(grad_outputs, views);
  std::span const below(views.vector<MatrixView<T>>(std::ssize(inputs)).data, types);
  for (std::size_t l = layers_.size(); l-- > 0;) {
    // Gradients of this layer's inputs: the outputs of the layer below, or the caller's.
    for (std::size_t t = 0; t < types; ++t) {
      below[t] = {};
      if (l > 0) {
        auto& c = cache.layers[l - 1][t];
        c.grad_out.reset(c.out.rows(), c.out.cols());
        below[t] = c.grad_out.view();
      } else if (!grad_inputs.empty()) {
        expect_shape(here, "grad_inputs", grad_inputs[t], inputs[t].rows, inputs[t].cols);
        below[t] = grad_inputs[t];
      }
      for (std::int64_t row = 0; row < below[t].rows; ++row) {
        std::fill_n(below[t].row_data(row), below[t].cols, T{0});
      }
    }
    bool const wanted = l > 0 || !grad_inputs.empty();

    for (DestinationBlock const& block : blocks[l].destinations) {
      auto& c = cache.layers[l][at(block.type)];
      auto const input = [&](NodeTypeId type) -> MatrixView<T const> {
        return l == 0 ? inputs[at(type)] : cache.layers[l - 1][at(type)].out.view();
      };
      expect_shape(here, "grad_outputs", grad[at(block.type)], c.out.rows(), c.out.cols());
      Workspace::Scope scratch(scratch_of(ctx));
      auto const grad_messages = scratch.matrix<T>(c.messages.rows(), c.messages.cols());
      auto const grad_self = c.self.view();  // the forward pass is done with it
      ops::relation_aggregate_backward<T>(ctx, block.csr, c.out.view(), c.aggregate,
                                          grad[at(block.type)], aggregate_params(l), grad_messages,
                                          grad_self);

      ParameterId const own = self(l, block.type);
      ops::linear_backward<T>(
          ctx, input(block.type).row_slice(0, block.csr.n_dst), frozen.matrix(own), {}, grad_self,
          {},
          {.x = wanted ? below[at(block.type)].row_slice(0, block.csr.n_dst) : MatrixView<T>{},
           .weight = parameters.matrix_gradient(own),
           .accumulate_x = true});

      for_each_relation(
          ctx, block, schema_.node_type_count(), [&](HostContext const& inside, std::size_t r) {
            RelationBlock const& relation = block.relations[r];
            if (relation.message_rows == 0) {
              return;
            }
            Message const& message = this->message(l, relation.relation);
            bool const selection = !relation.source_rows.empty();
            auto const source = selection
                                    ? c.gathered[r].view()
                                    : input(relation.source).row_slice(0, relation.message_rows);
            MatrixView<T> grad_source;
            Workspace::Scope inner(scratch_of(inside));
            if (wanted) {
              grad_source = selection
                                ? inner.matrix<T>(source.rows, source.cols)
                                : below[at(relation.source)].row_slice(0, relation.message_rows);
            }
            auto const rows = [&](MatrixView<T const> m) {
              return m.row_slice(relation.message_base, relation.message_rows);
            };
            ops::linear_backward<T>(inside, source, frozen.matrix(message.weight),
                                    rows(c.messages.view()), rows(grad_messages),
                                    {.activation = Activation::relu},
                                    {.x = grad_source,
                                     .weight = parameters.matrix_gradient(message.weight),
                                     .bias = parameters.vector_gradient(message.bias),
                                     .accumulate_x = !selection});
            if (wanted && selection) {
              ops::scatter_rows<T>(inside, grad_source, relation.source_rows,
                                   below[at(relation.source)]);
            }
          });
    }
    for (std::size_t t = 0; t < types; ++t) {
      grad[t] = below[t];
    }
  }
}

template class HeteroSage<float>;
template class HeteroSage<double>;

}  // namespace relweave::nn
