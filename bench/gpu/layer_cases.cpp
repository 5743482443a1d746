// A layer over all types and relations: nn::DeviceHeteroSage, forward and with all gradients.

#include <memory>
#include <string>
#include <utility>

#include <aggregate_cost.hpp>
#include <captured_graph.hpp>
#include <groups.hpp>

#include <relweave/nn/device_hetero_sage.hpp>

namespace relweave::bench {

namespace {

using ops::MaxBackward;

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

class Layer {
 public:
  Layer(Bench& bench, GraphInput& graph, std::int64_t d)
      : bench_(bench),
        graph_(graph),
        d_(d),
        schema_(schema_of(graph.host())),
        net_(schema_, {.in_features = std::vector<std::int64_t>(graph.host().nodes.size(), d),
                       .out_features = {d},
                       .last_activation = Activation::relu,
                       .l2_normalize = false}),
        x_(make_device_matrix<float>(bench, graph.rows(), d, 2)),
        grad_out_(make_device_matrix<float>(bench, graph.rows(), d, 3)),
        grad_x_(graph.rows(), d) {
    net_.register_parameters(host_parameters_);
    host_parameters_.allocate();
    net_.initialize(host_parameters_, 1);
    parameters_ = {ctx_, host_parameters_};
    device_net_ = std::make_unique<nn::DeviceHeteroSage>(ctx_, net_, host_parameters_);
    for (std::size_t t = 0; t < graph_.destinations(); ++t) {
      inputs_.push_back(graph_.rows_of(t, std::as_const(x_).view()));
      grad_inputs_.push_back(graph_.rows_of(t, grad_x_.view()));
    }
    synchronize(ctx_);
  }

  void run() {
    use(MaxBackward::compare_slots);
    measure(
        "hetero_layer.forward.max", "relweave", forward_cost(), [this] { forward(); }, false);
    measure(
        "hetero_layer.forward_backward.max", "relweave, compare_slots",
        both_cost(MaxBackward::compare_slots), [this] { both(); }, true);
    use(MaxBackward::win_mask);
    measure(
        "hetero_layer.forward_backward.max", "relweave, win_mask", both_cost(MaxBackward::win_mask),
        [this] { both(); }, true);
  }

 private:
  void use(MaxBackward max_backward) {
    on_host_block([&](BlockView const& block) {
      block_.upload(ctx_, schema_, block, {.max_backward = max_backward});
    });
    synchronize(ctx_);
    forward();  // makes room
  }

  template <typename F>
  void on_host_block(F&& f) {
    std::vector<std::vector<RelationBlock>> relations(graph_.destinations());
    std::vector<DestinationBlock> destinations;
    for (std::size_t t = 0; t < graph_.destinations(); ++t) {
      auto const& destination = graph_.host().destinations[t];
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
    }
    f(BlockView{.destinations = destinations, .n_src = graph_.host().nodes});
  }

  void forward() {
    nn::DeviceBlock const* const block = &block_;
    device_net_->forward(ctx_, parameters_, {&block, 1}, inputs_, cache_);
  }
  void both() {
    nn::DeviceBlock const* const block = &block_;
    forward();
    set_zero<float, Space::device>(ctx_, parameters_.gradients());
    device_net_->backward(ctx_, parameters_, {&block, 1}, inputs_, cache_, grad_out_.view(),
                          grad_inputs_);
  }

  void measure(std::string_view work, std::string const& by, Cost const& cost,
               std::function<void()> const& op, bool gradients) {
    auto const flat = std::as_const(parameters_).gradients();
    auto const result = gradients ? MatrixView<float const, Space::device>(flat.data, 1, flat.size)
                                  : cache_.output();
    auto const run_one = [&](std::string const& name, std::function<void()> const& f) {
      fill_bytes(bench_, cache_.layers[0].out.view(), 0xFF);  // not what an earlier case left
      fill_bytes(bench_,
                 MatrixView<float, Space::device>(parameters_.gradients().data, 1, flat.size),
                 0xFF);
      bench_.run<float>(
          work, name, cost, f, result,
          [&] { return gradients ? expected().second : expected().first; }, Closeness::elements);
    };
    run_one(by, op);
    if (std::string const captured = by + ", CUDA graph"; bench_.wants(work, captured)) {
      op();  // cuBLAS chooses its algorithms
      CapturedGraph const graph(ctx_, op);
      run_one(captured, [&] { graph.launch(ctx_); });
    }
  }

  /// out of all types, one after the other, and the parameters' gradients, on the host.
  std::pair<Matrix<float>, Matrix<float>> expected() {
    Matrix<float> const x = on_host(bench_, x_);
    Matrix<float> const grad_out = on_host(bench_, grad_out_);
    Matrix<float> out(x.rows(), x.cols()), gradients(1, host_parameters_.size());
    std::vector<MatrixView<float const>> inputs, grads;
    for (std::size_t t = 0; t < graph_.destinations(); ++t) {
      inputs.push_back(graph_.rows_of(t, x.view()));
      grads.push_back(graph_.rows_of(t, grad_out.view()));
    }
    on_host_block([&](BlockView const& block) {
      nn::HeteroSageCache<float> cache;
      net_.forward({}, host_parameters_, {&block, 1}, inputs, cache);
      host_parameters_.zero_gradients();
      net_.backward({}, host_parameters_, {&block, 1}, inputs, cache, grads);
      for (std::size_t t = 0; t < graph_.destinations(); ++t) {
        copy(HostContext{}, cache.output(static_cast<NodeTypeId>(t)),
             graph_.rows_of(t, out.view()));
      }
    });
    auto const from = std::as_const(host_parameters_).gradients();
    std::copy_n(from.data, from.size, gradients.data());
    return {std::move(out), std::move(gradients)};
  }

  /// Aggregation, and a product per message row and per destination row: two factors' rows and the
  /// product's.
  Cost forward_cost() {
    Cost cost = AggregateCost{graph_, static_cast<double>(d_), size_of<float>}.forward(Reduce::max);
    add_products(cost, 1);
    return cost;
  }
  /// Backward, two products for each of them, and the products' results for ReLU.
  Cost both_cost(MaxBackward max_backward) {
    Cost cost = forward_cost();
    Cost const back =
        AggregateCost{graph_, static_cast<double>(d_), size_of<float>}.backward_of_max(
            max_backward);
    cost.bytes += back.bytes + static_cast<double>(graph_.messages()) * row_bytes();
    add_products(cost, 2);
    return cost;
  }
  void add_products(Cost& cost, double times) {
    auto const m = static_cast<double>(graph_.rows() + graph_.messages());
    cost.bytes += times * 2 * m * row_bytes();
    cost.operations += times * 2 * m * static_cast<double>(d_ * d_);
  }
  double row_bytes() const { return static_cast<double>(d_) * size_of<float>; }

  Bench& bench_;
  GraphInput& graph_;
  std::int64_t d_;
  DeviceWorkspace workspace_{Growth::on_demand};
  CudaContext ctx_ = [this] {
    CudaContext ctx = bench_.context();
    ctx.workspace = &workspace_;
    return ctx;
  }();
  graph::Schema schema_;
  nn::HeteroSage<float> net_;
  nn::ParameterSet<float> host_parameters_;
  nn::ParameterSet<float, Space::device> parameters_;
  std::unique_ptr<nn::DeviceHeteroSage> device_net_;
  nn::DeviceBlock block_;
  nn::DeviceHeteroSageCache cache_;
  DeviceMatrix<float> x_, grad_out_, grad_x_;
  std::vector<MatrixView<float const, Space::device>> inputs_;
  std::vector<MatrixView<float, Space::device>> grad_inputs_;
};

}  // namespace

GraphGroup layer_group() {
  return {.cases = {{"hetero_layer.forward.max", "relweave"},
                    {"hetero_layer.forward.max", "relweave, CUDA graph"},
                    {"hetero_layer.forward_backward.max", "relweave, compare_slots"},
                    {"hetero_layer.forward_backward.max", "relweave, compare_slots, CUDA graph"},
                    {"hetero_layer.forward_backward.max", "relweave, win_mask"},
                    {"hetero_layer.forward_backward.max", "relweave, win_mask, CUDA graph"}},
          .run_float = [](Bench& bench, GraphInput& graph,
                          std::int64_t d) { Layer(bench, graph, d).run(); },
          .run_bfloat16 = {}};
}

}  // namespace relweave::bench
