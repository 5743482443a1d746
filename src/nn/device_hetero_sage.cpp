#include <relweave/nn/device_hetero_sage.hpp>

#include <numeric>
#include <string>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/ops/gather_rows/gather_rows.hpp>
#include <relweave/ops/linear/linear.hpp>

namespace relweave::nn {

namespace {

constexpr std::string_view here = "DeviceHeteroSage";

using View = MatrixView<float, Space::device>;
using ConstView = MatrixView<float const, Space::device>;

// Tensors of a ParameterSet begin at multiples of a cache line.
constexpr std::int64_t line = 16;

std::size_t at(NodeTypeId type) {
  return static_cast<std::size_t>(index(type));
}

/// A flat vector as rows of `width`.
template <typename T>
MatrixView<T, Space::device> rows_of(VectorView<T, Space::device> flat, std::int64_t width) {
  return {flat.data, flat.size / width, width};
}

/// The messages of a type as one row per source.
template <typename T>
MatrixView<T, Space::device> by_source(MatrixView<T, Space::device> messages,
                                       DeviceBlock const& block, NodeTypeId type,
                                       std::int64_t relations) {
  return {messages.row_data(block.message_base(type)), block.n_src(type),
          relations * messages.cols};
}

}  // namespace

DeviceHeteroSage::DeviceHeteroSage(CudaContext const& ctx, HeteroSage<float> const& network,
                                   ParameterSet<float> const& parameters)
    : network_(network) {
  graph::Schema const& schema = network_.schema();
  std::vector<NodeId> pieces;
  for (std::size_t l = 0; l < network_.config().out_features.size(); ++l) {
    Layer& layer = layers_.emplace_back();
    layer.out = network_.config().out_features[l];
    layer.piece = std::gcd(layer.out, line);
    pieces.clear();
    auto const add = [&](std::int64_t first, std::int64_t count) {
      for (std::int64_t e = first; e < first + count; e += layer.piece) {
        pieces.push_back(static_cast<NodeId>(e / layer.piece));
      }
    };
    auto const position = [&] { return std::ssize(pieces) * layer.piece; };
    for (std::int32_t t = 0; t < schema.node_type_count(); ++t) {
      auto const type = static_cast<NodeTypeId>(t);
      auto const out = relations_out(schema, type);
      Concatenated c{
          .relations = std::ssize(out), .in = network_.in_features(l, type), .weight = position()};
      for (std::int64_t row = 0; row < c.in; ++row) {
        for (RelationId const r : out) {
          add(parameters.info(network_.message(l, r).weight).offset + row * layer.out, layer.out);
        }
      }
      c.bias = position();
      for (RelationId const r : out) {
        add(parameters.info(network_.message(l, r).bias).offset, layer.out);
      }
      layer.types.push_back(c);
    }
    layer.pieces.upload(ctx, {pieces.data(), std::ssize(pieces)}, parameters.size() / layer.piece);
  }
}

void DeviceHeteroSage::check(std::span<DeviceBlock const* const> blocks,
                             std::span<ConstView const> inputs) const {
  if (blocks.size() != layers_.size()) {
    raise<ShapeError>(here, "blocks", std::to_string(blocks.size()),
                      std::to_string(layers_.size()) + ", one per layer");
  }
  auto const types = static_cast<std::size_t>(network_.schema().node_type_count());
  if (inputs.size() != types) {
    raise<ShapeError>(here, "inputs", std::to_string(inputs.size()) + " matrices",
                      std::to_string(types) + ", one per node type");
  }
  for (std::size_t t = 0; t < types; ++t) {
    auto const type = static_cast<NodeTypeId>(t);
    std::string const& name = network_.schema().name(type);
    expect_shape(here, "inputs[" + name + "]", inputs[t], blocks[0]->n_src(type),
                 network_.in_features(0, type));
    for (std::size_t l = 1; l < blocks.size(); ++l) {
      if (blocks[l]->n_src(type) != blocks[l - 1]->n_dst(type)) {
        raise<ShapeError>(
            here, "blocks",
            std::to_string(blocks[l]->n_src(type)) + " sources of type " + name + " in layer " +
                std::to_string(l),
            std::to_string(blocks[l - 1]->n_dst(type)) + ", the destinations of the layer below");
      }
    }
  }
}

ConstView DeviceHeteroSage::input(std::size_t layer, NodeTypeId type,
                                  std::span<DeviceBlock const* const> blocks,
                                  std::span<ConstView const> inputs,
                                  DeviceHeteroSageCache const& cache) const {
  if (layer == 0) {
    return inputs[at(type)];
  }
  DeviceBlock const& below = *blocks[layer - 1];
  return cache.layers[layer - 1].out.view().row_slice(below.dst_base(type), below.n_dst(type));
}

void DeviceHeteroSage::forward(CudaContext const& ctx,
                               ParameterSet<float, Space::device> const& parameters,
                               std::span<DeviceBlock const* const> blocks,
                               std::span<ConstView const> inputs,
                               DeviceHeteroSageCache& cache) const {
  check(blocks, inputs);
  DeviceGuard const guard(ctx.device);
  cache.layers.resize(layers_.size());
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    Layer const& layer = layers_[l];
    DeviceBlock const& block = *blocks[l];
    auto& c = cache.layers[l];
    auto const params = network_.aggregate_params(l);
    c.tensors.reset(layer.pieces.size(), layer.piece);
    c.messages.reset(block.csr().view().message_rows, layer.out);
    c.self.reset(block.n_dst(), layer.out);
    c.out.reset(block.n_dst(), layer.out);
    c.aggregate.reserve(ctx, block.csr(), layer.out, params);
    ops::gather_rows<float>(ctx, rows_of(parameters.values(), layer.piece), layer.pieces.view(),
                            c.tensors.view());
    for (std::size_t t = 0; t < inputs.size(); ++t) {
      auto const type = static_cast<NodeTypeId>(t);
      ConstView const x = input(l, type, blocks, inputs, cache);
      ops::linear<float>(ctx, x.row_slice(0, block.n_dst(type)),
                         parameters.matrix(network_.self(l, type)), {}, {},
                         c.self.view().row_slice(block.dst_base(type), block.n_dst(type)));
      Concatenated const& w = layer.types[t];
      std::int64_t const width = w.relations * layer.out;
      if (!block.concatenated(type)) {
        auto const out = relations_out(network_.schema(), type);
        for (std::int64_t k = 0; k < w.relations; ++k) {
          auto const& selection = block.selection(out[static_cast<std::size_t>(k)]);
          std::int64_t const rows = selection.sources.size();
          DeviceWorkspace::Scope scratch(ctx.workspace, here);
          auto const gathered = scratch.matrix<float>(rows, x.cols);
          ops::gather_rows<float>(ctx, x, selection.sources.view(), gathered);
          ops::linear<float>(ctx, gathered,
                             ConstView(c.tensors.data() + w.weight, w.in, width)
                                 .col_slice(k * layer.out, layer.out),
                             {c.tensors.data() + w.bias + k * layer.out, layer.out},
                             {.activation = Activation::relu},
                             c.messages.view().row_slice(selection.message_base, rows));
        }
      } else if (w.relations > 0) {
        ops::linear<float>(ctx, x, {c.tensors.data() + w.weight, w.in, width},
                           {c.tensors.data() + w.bias, width}, {.activation = Activation::relu},
                           by_source(c.messages.view(), block, type, w.relations));
      }
    }
    ops::relation_aggregate<float>(ctx, block.csr(), c.messages.view(), c.self.view(), params,
                                   c.out.view(), &c.aggregate);
  }
}

void DeviceHeteroSage::backward(CudaContext const& ctx,
                                ParameterSet<float, Space::device>& parameters,
                                std::span<DeviceBlock const* const> blocks,
                                std::span<ConstView const> inputs, DeviceHeteroSageCache& cache,
                                ConstView grad_output, std::span<View const> grad_inputs) const {
  check(blocks, inputs);
  if (!grad_inputs.empty() && grad_inputs.size() != inputs.size()) {
    raise<ShapeError>(here, "grad_inputs", std::to_string(grad_inputs.size()) + " matrices",
                      std::to_string(inputs.size()) + ", one per node type");
  }
  DeviceGuard const guard(ctx.device);
  ConstView grad = grad_output;
  for (std::size_t l = layers_.size(); l-- > 0;) {
    Layer const& layer = layers_[l];
    DeviceBlock const& block = *blocks[l];
    auto& c = cache.layers[l];
    expect_shape(here, "grad_output", grad, c.out.rows(), c.out.cols());
    if (l > 0) {
      cache.layers[l - 1].grad_out.reset(blocks[l - 1]->n_dst(), layers_[l - 1].out);
    }
    DeviceWorkspace::Scope scratch(ctx.workspace, here);
    View const grad_messages = scratch.matrix<float>(c.messages.rows(), c.messages.cols());
    View const grad_tensors = scratch.matrix<float>(layer.pieces.size(), layer.piece);
    View const grad_self = c.self.view();  // the forward pass is done with it
    ops::relation_aggregate_backward<float>(ctx, block.csr(), c.out.view(), c.aggregate, grad,
                                            network_.aggregate_params(l), grad_messages, grad_self);
    set_zero(ctx, grad_tensors);
    for (std::size_t t = 0; t < inputs.size(); ++t) {
      auto const type = static_cast<NodeTypeId>(t);
      ConstView const x = input(l, type, blocks, inputs, cache);
      View below;
      if (l > 0) {
        DeviceBlock const& lower = *blocks[l - 1];
        below =
            cache.layers[l - 1].grad_out.view().row_slice(lower.dst_base(type), lower.n_dst(type));
      } else if (!grad_inputs.empty()) {
        expect_shape(here, "grad_inputs", grad_inputs[t], x.rows, x.cols);
        below = grad_inputs[t];
      }
      Concatenated const& w = layer.types[t];
      std::int64_t const width = w.relations * layer.out;
      if (!block.concatenated(type)) {
        set_zero(ctx, below);
        auto const out = relations_out(network_.schema(), type);
        for (std::int64_t k = 0; k < w.relations; ++k) {
          auto const& selection = block.selection(out[static_cast<std::size_t>(k)]);
          std::int64_t const rows = selection.sources.size();
          DeviceWorkspace::Scope inner(ctx.workspace, here);
          auto const gathered = inner.matrix<float>(rows, x.cols);
          auto const grad_gathered = inner.matrix<float>(below.empty() ? 0 : rows, x.cols);
          ops::gather_rows<float>(ctx, x, selection.sources.view(), gathered);
          ops::linear_backward<float>(
              ctx, gathered,
              ConstView(c.tensors.data() + w.weight, w.in, width)
                  .col_slice(k * layer.out, layer.out),
              c.messages.view().row_slice(selection.message_base, rows),
              grad_messages.row_slice(selection.message_base, rows),
              {.activation = Activation::relu},
              {.x = grad_gathered,
               .weight = View(grad_tensors.data + w.weight, w.in, width)
                             .col_slice(k * layer.out, layer.out),
               .bias = {grad_tensors.data + w.bias + k * layer.out, layer.out}});
          if (!below.empty()) {
            ops::scatter_rows<float>(ctx, grad_gathered, selection.sources, below);
          }
        }
      } else if (w.relations > 0) {
        ops::linear_backward<float>(
            ctx, x, {c.tensors.data() + w.weight, w.in, width},
            by_source<float const>(c.messages.view(), block, type, w.relations),
            by_source<float const>(grad_messages, block, type, w.relations),
            {.activation = Activation::relu},
            {.x = below,
             .weight = {grad_tensors.data + w.weight, w.in, width},
             .bias = {grad_tensors.data + w.bias, width}});
      } else {
        set_zero(ctx, below);
      }
      ParameterId const self = network_.self(l, type);
      std::int64_t const n = block.n_dst(type);
      ops::linear_backward<float>(ctx, x.row_slice(0, n), std::as_const(parameters).matrix(self),
                                  {}, grad_self.row_slice(block.dst_base(type), n), {},
                                  {.x = below.empty() ? View{} : below.row_slice(0, n),
                                   .weight = parameters.matrix_gradient(self),
                                   .accumulate_x = true});
    }
    ops::scatter_rows<float>(ctx, grad_tensors, layer.pieces,
                             rows_of(parameters.gradients(), layer.piece));
    if (l > 0) {
      grad = cache.layers[l - 1].grad_out.view();
    }
  }
}

}  // namespace relweave::nn
