// A layer over all types and relations, as HeteroSage computes it: a product per relation and per
// type, one aggregation per type, and all gradients.

#include <memory>
#include <string>
#include <utility>

#include <aggregate_cost.hpp>
#include <captured_graph.hpp>
#include <groups.hpp>

#include <relweave/nn/hetero_sage.hpp>
#include <relweave/ops/gather_rows/gather_rows.hpp>
#include <relweave/ops/linear/linear.hpp>

namespace relweave::bench {

namespace {

using ops::MaxBackward;

constexpr ops::LinearParams relu{.activation = Activation::relu};
constexpr ops::RelationAggregateParams params{};  // max, ReLU

graph::Schema schema_of(WorkloadGraph const& graph) {
  std::vector<std::string> types;
  std::vector<graph::Relation> relations;
  for (std::size_t t = 0; t < graph.nodes.size(); ++t) {
    types.push_back("t" + std::to_string(t));
    relations.resize(relations.size() + graph.destinations[t].relations.size());
  }
  for (auto const& destination : graph.destinations) {
    for (auto const& relation : destination.relations) {
      relations[static_cast<std::size_t>(relation.id)] = {
          static_cast<NodeTypeId>(relation.source), "r" + std::to_string(relation.id),
          static_cast<NodeTypeId>(destination.type)};
    }
  }
  return {types, relations};
}

/// The layer on the host: parameters, and what is expected.
class HostLayer {
 public:
  HostLayer(WorkloadGraph const& graph, std::int64_t d)
      : graph_(graph),
        schema_(schema_of(graph)),
        net_(schema_, {.in_features = std::vector<std::int64_t>(graph.nodes.size(), d),
                       .out_features = {d},
                       .last_activation = Activation::relu,
                       .l2_normalize = false}) {
    net_.register_parameters(parameters_);
    parameters_.allocate();
    net_.initialize(parameters_, 1);
  }

  nn::ParameterSet<float>& parameters() { return parameters_; }
  nn::ParameterInfo const& weight_of(GraphRelation const& relation) const {
    return info("message." + schema_.full_name(static_cast<RelationId>(relation.id)) + ".weight");
  }
  nn::ParameterInfo const& bias_of(GraphRelation const& relation) const {
    return info("message." + schema_.full_name(static_cast<RelationId>(relation.id)) + ".bias");
  }
  nn::ParameterInfo const& self_weight_of(std::size_t type) const {
    return info("self.t" + std::to_string(type) + ".weight");
  }

  /// out of all types, one after the other, and the parameters' gradients.
  std::pair<Matrix<float>, Matrix<float>> run(GraphInput const& input, Matrix<float> const& x,
                                              Matrix<float> const& grad_out) {
    std::vector<std::vector<RelationBlock>> relations(graph_.nodes.size());
    std::vector<DestinationBlock> destinations;
    std::vector<MatrixView<float const>> inputs, gradients;
    for (std::size_t t = 0; t < graph_.nodes.size(); ++t) {
      auto const& destination = graph_.destinations[t];
      for (auto const& r : destination.relations) {
        relations[t].push_back({.relation = static_cast<RelationId>(r.id),
                                .source = static_cast<NodeTypeId>(r.source),
                                .message_base = r.message_base,
                                .message_rows = r.message_rows,
                                .source_rows = as_vector(r.source_rows)});
      }
      destinations.push_back({.type = static_cast<NodeTypeId>(t),
                              .csr = destination.view(),
                              .relations = relations[t]});
      inputs.push_back(input.rows_of(t, x.view()));
      gradients.push_back(input.rows_of(t, grad_out.view()));
    }
    BlockView const block{.destinations = destinations, .n_src = graph_.nodes};
    nn::HeteroSageCache<float> cache;
    net_.forward({}, parameters_, {&block, 1}, inputs, cache);
    parameters_.zero_gradients();
    net_.backward({}, parameters_, {&block, 1}, inputs, cache, gradients);

    Matrix<float> out(x.rows(), x.cols()), parameter_gradients(1, parameters_.size());
    for (std::size_t t = 0; t < graph_.nodes.size(); ++t) {
      auto const from = cache.output(static_cast<NodeTypeId>(t));
      std::copy_n(from.data, from.rows * from.cols, input.rows_of(t, out.view()).data);
    }
    auto const from = std::as_const(parameters_).gradients();
    std::copy_n(from.data, from.size, parameter_gradients.data());
    return {std::move(out), std::move(parameter_gradients)};
  }

 private:
  nn::ParameterInfo const& info(std::string const& name) const {
    auto const id = parameters_.find("layers.0." + name);
    return parameters_.infos()[static_cast<std::size_t>(id)];
  }

  WorkloadGraph const& graph_;
  graph::Schema schema_;
  nn::HeteroSage<float> net_;
  nn::ParameterSet<float> parameters_;
};

/// A message relation on the device. `indices` and the gathered rows are empty where all sources
/// have messages.
template <typename T>
struct DeviceRelation {
  std::size_t source;
  MatrixView<T const, Space::device> weight;
  VectorView<T const, Space::device> bias;
  MatrixView<float, Space::device> grad_weight;
  VectorView<float, Space::device> grad_bias;
  std::int64_t message_base, message_rows;
  ops::DeviceIndices indices;
  DeviceMatrix<T> gathered, grad_gathered;
};

template <typename T>
struct DeviceType {
  MatrixView<T const, Space::device> self_weight;
  MatrixView<float, Space::device> grad_self_weight;
  std::vector<DeviceRelation<T>> relations;
  ops::RelationAggregateDeviceCache cache;
};

template <typename T>
class Layer {
 public:
  Layer(Bench& bench, GraphInput& graph, std::int64_t d)
      : bench_(bench),
        graph_(graph),
        d_(d),
        host_(graph.host(), d),
        x_(make_device_matrix<T>(bench, graph.rows(), d, 2)),
        grad_out_(make_device_matrix<T>(bench, graph.rows(), d, 3)),
        grad_x_(graph.rows(), d),
        self_(graph.rows(), d),
        grad_self_(graph.rows(), d),
        out_(graph.rows(), d),
        messages_(graph.messages(), d),
        grad_messages_(graph.messages(), d),
        parameters_(1, host_.parameters().size()),
        gradients_(1, host_.parameters().size()) {
    upload_parameters();
    reserve();
  }

  void run() {
    auto const expected_out = [this] { return expected().first; };
    auto const expected_gradients = [this] { return expected().second; };
    auto const both = [this](MaxBackward m) {
      forward();
      backward(m);
    };
    // bfloat16 rounds messages before the maximum, so that some gradients go to another winner.
    Closeness const closeness = sizeof(T) == 2 ? Closeness::norm : Closeness::elements;
    auto const run_each_way = [&](std::string_view work, std::string const& by, Cost const& cost,
                                  std::function<void()> const& op, auto result,
                                  std::function<Matrix<float>()> const& on_host) {
      using Element = std::remove_const_t<std::remove_pointer_t<decltype(result.data)>>;
      spoil(bench_, out_);
      bench_.run<Element>(work, by, cost, op, result, on_host, closeness);
      if (std::string const captured = by + ", CUDA graph"; bench_.wants(work, captured)) {
        op();  // cuBLAS chooses its algorithms
        CapturedGraph const graph(bench_.context(), op);
        spoil(bench_, out_);
        spoil(bench_, gradients_);
        bench_.run<Element>(
            work, captured, cost, [&] { graph.launch(bench_.context()); }, result, on_host,
            closeness);
      }
    };
    run_each_way(
        "hetero_layer.forward.max", "relweave", forward_cost(), [&] { forward(); },
        MatrixView<T const, Space::device>(out_.view()), expected_out);
    for (auto const& [m, name] : {std::pair{MaxBackward::compare_slots, "relweave, compare_slots"},
                                  std::pair{MaxBackward::win_mask, "relweave, win_mask"}}) {
      run_each_way(
          "hetero_layer.forward_backward.max", name, both_cost(m), [&] { both(m); },
          MatrixView<float const, Space::device>(gradients_.view()), expected_gradients);
    }
  }

 private:
  void upload_parameters() {
    auto const values = host_.parameters().values();
    std::transform(values.begin(), values.end(), values.begin(),
                   [](float v) { return static_cast<float>(static_cast<T>(v)); });
    Matrix<float> stored(1, values.size);
    std::copy(values.begin(), values.end(), stored.data());
    auto const narrow = stored_as<T>(stored);
    copy(bench_.context(), as_vector(narrow), as_vector(parameters_));
    synchronize(bench_.context());

    auto const weight = [&](nn::ParameterInfo const& info) {
      return MatrixView<T const, Space::device>(parameters_.data() + info.offset, info.rows,
                                                info.cols);
    };
    auto const gradient = [&](nn::ParameterInfo const& info) {
      return MatrixView<float, Space::device>(gradients_.data() + info.offset, info.rows,
                                              info.cols);
    };
    for (std::size_t t = 0; t < graph_.destinations(); ++t) {
      auto& type = types_.emplace_back();
      type.self_weight = weight(host_.self_weight_of(t));
      type.grad_self_weight = gradient(host_.self_weight_of(t));
      type.cache.reserve(bench_.context(), graph_.csr(t, MaxBackward::compare_slots), d_, params);
      for (auto const& from : graph_.host().destinations[t].relations) {
        if (from.message_rows == 0) {
          continue;  // it has no edge
        }
        auto const& bias = host_.bias_of(from);
        auto& to = type.relations.emplace_back();
        to.source = static_cast<std::size_t>(from.source);
        to.weight = weight(host_.weight_of(from));
        to.grad_weight = gradient(host_.weight_of(from));
        to.bias = {parameters_.data() + bias.offset, d_};
        to.grad_bias = {gradients_.data() + bias.offset, d_};
        to.message_base = from.message_base;
        to.message_rows = from.message_rows;
        if (!from.all_sources) {
          to.indices.upload(bench_.context(), as_vector(from.source_rows),
                            graph_.host().nodes[to.source]);
          to.gathered.reset(from.message_rows, d_);
          to.grad_gathered.reset(from.message_rows, d_);
        }
      }
    }
  }

  void reserve() {
    constexpr auto element = static_cast<std::int64_t>(sizeof(T));
    std::int64_t bytes = 0;
    for (std::size_t t = 0; t < graph_.destinations(); ++t) {
      bytes = std::max(bytes,
                       ops::relation_aggregate_workspace(graph_.csr(t, MaxBackward::win_mask), d_));
      bytes = std::max(bytes, product_workspace(graph_.host().destinations[t].n_dst, element));
      for (auto const& relation : types_[t].relations) {
        bytes = std::max({bytes, product_workspace(relation.message_rows, element),
                          relation.indices.workspace(d_)});
      }
    }
    bench_.reserve(bytes);
  }
  std::int64_t product_workspace(std::int64_t m, std::int64_t element) const {
    return ops::linear_workspace() + ops::linear_backward_workspace(m, d_, element);
  }

  MatrixView<T, Space::device> messages_of(std::size_t t, DeviceRelation<T> const& r,
                                           DeviceMatrix<T>& all) {
    return graph_.messages_of(t, all.view()).row_slice(r.message_base, r.message_rows);
  }
  MatrixView<T const, Space::device> sources_of(DeviceRelation<T> const& r) {
    return r.gathered.empty() ? graph_.rows_of(r.source, std::as_const(x_).view())
                              : r.gathered.view();
  }

  void forward() {
    auto const ctx = bench_.context();
    for (std::size_t t = 0; t < types_.size(); ++t) {
      ops::linear<T>(ctx, graph_.rows_of(t, x_.view()), types_[t].self_weight, {}, {},
                     graph_.rows_of(t, self_.view()));
      for (auto& r : types_[t].relations) {
        if (!r.gathered.empty()) {
          ops::gather_rows<T>(ctx, graph_.rows_of(r.source, x_.view()), r.indices.view(),
                              r.gathered.view());
        }
        ops::linear<T>(ctx, sources_of(r), r.weight, r.bias, relu, messages_of(t, r, messages_));
      }
      ops::relation_aggregate<T>(ctx, graph_.csr(t, MaxBackward::compare_slots),
                                 graph_.messages_of(t, messages_.view()),
                                 graph_.rows_of(t, self_.view()), params,
                                 graph_.rows_of(t, out_.view()), &types_[t].cache);
    }
  }

  void backward(MaxBackward max_backward) {
    auto const ctx = bench_.context();
    clear(bench_, grad_x_);
    clear(bench_, gradients_);
    for (std::size_t t = 0; t < types_.size(); ++t) {
      auto const grad_self = graph_.rows_of(t, grad_self_.view());
      ops::relation_aggregate_backward<T>(ctx, graph_.csr(t, max_backward),
                                          graph_.rows_of(t, out_.view()), types_[t].cache,
                                          graph_.rows_of(t, grad_out_.view()), params,
                                          graph_.messages_of(t, grad_messages_.view()), grad_self);
      ops::linear_backward<T>(ctx, graph_.rows_of(t, x_.view()), types_[t].self_weight,
                              graph_.rows_of(t, self_.view()), grad_self, {},
                              {.x = graph_.rows_of(t, grad_x_.view()),
                               .weight = types_[t].grad_self_weight,
                               .accumulate_x = true});
      for (auto& r : types_[t].relations) {
        auto const grad_x = graph_.rows_of(r.source, grad_x_.view());
        bool const all = r.gathered.empty();
        ops::linear_backward<T>(ctx, sources_of(r), r.weight, messages_of(t, r, messages_),
                                messages_of(t, r, grad_messages_), relu,
                                {.x = all ? grad_x : r.grad_gathered.view(),
                                 .weight = r.grad_weight,
                                 .bias = r.grad_bias,
                                 .accumulate_x = all});
        if (!all) {
          ops::scatter_rows<T>(ctx, r.grad_gathered.view(), r.indices, grad_x);
        }
      }
    }
  }

  std::pair<Matrix<float>, Matrix<float>> expected() {
    return host_.run(graph_, on_host(bench_, x_), on_host(bench_, grad_out_));
  }

  /// Aggregation, and a product per message row and per destination row: two factors' rows and the
  /// product's. Rows that are gathered are read and written once more.
  Cost forward_cost() {
    Cost cost = AggregateCost{graph_, static_cast<double>(d_), size_of<T>}.forward(Reduce::max);
    add_products(cost, 1);
    return cost;
  }
  /// Backward, two products for each of them, and the products' results for ReLU.
  Cost both_cost(MaxBackward max_backward) {
    Cost cost = forward_cost();
    Cost const back =
        AggregateCost{graph_, static_cast<double>(d_), size_of<T>}.backward_of_max(max_backward);
    cost.bytes += back.bytes + static_cast<double>(graph_.messages()) * row_bytes();
    add_products(cost, 2);
    return cost;
  }
  void add_products(Cost& cost, double times) {
    auto const m = static_cast<double>(graph_.rows() + graph_.messages());
    double gathered = 0;
    for (auto const& type : types_) {
      for (auto const& relation : type.relations) {
        gathered += static_cast<double>(relation.gathered.rows());
      }
    }
    cost.bytes += times * (2 * m + 2 * gathered) * row_bytes();
    cost.operations += times * 2 * m * static_cast<double>(d_ * d_);
  }
  double row_bytes() const { return static_cast<double>(d_) * size_of<T>; }

  Bench& bench_;
  GraphInput& graph_;
  std::int64_t d_;
  HostLayer host_;
  DeviceMatrix<T> x_, grad_out_, grad_x_, self_, grad_self_, out_, messages_, grad_messages_;
  DeviceMatrix<T> parameters_;
  DeviceMatrix<float> gradients_;
  std::vector<DeviceType<T>> types_;
};

template <typename T>
void run(Bench& bench, GraphInput& graph, std::int64_t d) {
  Layer<T>(bench, graph, d).run();
}

}  // namespace

GraphGroup layer_group() {
  return {.cases = {{"hetero_layer.forward.max", "relweave"},
                    {"hetero_layer.forward.max", "relweave, CUDA graph"},
                    {"hetero_layer.forward_backward.max", "relweave, compare_slots"},
                    {"hetero_layer.forward_backward.max", "relweave, compare_slots, CUDA graph"},
                    {"hetero_layer.forward_backward.max", "relweave, win_mask"},
                    {"hetero_layer.forward_backward.max", "relweave, win_mask, CUDA graph"}},
          .run_float = run<float>,
          .run_bfloat16 = run<bfloat16>};
}

}  // namespace relweave::bench
