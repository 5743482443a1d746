#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <relweave/nn/hetero_sage.hpp>
#include <relweave/sampling/neighbor.hpp>

#include <hetero_workloads.hpp>
#include <measure.hpp>

using namespace relweave;

namespace {

constexpr std::int64_t width = 128;
constexpr std::size_t layers = 2;
constexpr std::int64_t seeds_per_type = 256;

/// The blocks of a whole graph, or of a sample around some of its nodes.
class Blocks {
 public:
  explicit Blocks(bench::HeteroWorkload const& w) : graph_(bench::hetero_graph(w)) {
    views_.assign(layers, graph_.block());
  }
  Blocks(bench::HeteroWorkload const& w, std::int64_t seeds) : graph_(bench::hetero_graph(w)) {
    auto const lists = bench::seed_nodes(w, seeds);
    std::vector<VectorView<NodeId const>> nodes;
    for (auto const& list : lists) {
      nodes.emplace_back(list.data(), std::ssize(list));
    }
    sampling::NeighborSampler sampler(graph_, {.fanouts = {10, 10}});
    sampler.sample({}, nodes, 1, 0, {}, sample_);
    views_.assign(sample_.blocks().begin(), sample_.blocks().end());
  }

  graph::Schema const& schema() const { return graph_.schema(); }
  std::span<BlockView const> views() const { return views_; }
  std::int64_t edges() const {
    std::int64_t sum = 0;
    for (BlockView const& block : views_) {
      for (auto const& destination : block.destinations) {
        sum += destination.csr.cols.size;
      }
    }
    return sum;
  }

 private:
  graph::HeteroGraph const& graph_;
  sampling::SampledBlocks sample_;
  std::vector<BlockView> views_;
};

template <typename T>
class Network {
 public:
  explicit Network(Blocks const& blocks)
      : blocks_(blocks),
        sage_(blocks.schema(),
              {.in_features = std::vector<std::int64_t>(
                   static_cast<std::size_t>(blocks.schema().node_type_count()), width),
               .out_features = std::vector<std::int64_t>(layers, width)}) {
    sage_.register_parameters(parameters_);
    parameters_.allocate();
    sage_.initialize(parameters_, 1);
    auto const& first = blocks.views().front();
    auto const& last = blocks.views().back();
    for (std::size_t t = 0; t < first.n_src.size(); ++t) {
      inputs_.push_back(bench::make_matrix<T>(first.n_src[t], width, 2 + t));
      pushes_.push_back(bench::make_matrix<T>(last.destinations[t].csr.n_dst, width, 10 + t));
    }
    for (std::size_t t = 0; t < inputs_.size(); ++t) {
      input_views_.push_back(inputs_[t].view());
      push_views_.push_back(pushes_[t].view());
    }
  }

  void forward(HostContext const& ctx) {
    sage_.forward(ctx, parameters_, blocks_.views(), input_views_, cache_);
  }
  void forward_backward(HostContext const& ctx) {
    forward(ctx);
    parameters_.zero_gradients();
    sage_.backward(ctx, parameters_, blocks_.views(), input_views_, cache_, push_views_);
  }

  MatrixView<T const> output() const { return cache_.output(NodeTypeId{0}); }
  MatrixView<T const> gradients() const {
    auto const flat = parameters_.gradients();
    return {flat.data, 1, flat.size};
  }

 private:
  Blocks const& blocks_;
  nn::HeteroSage<T> sage_;
  nn::ParameterSet<T> parameters_;
  nn::HeteroSageCache<T> cache_;
  std::vector<Matrix<T>> inputs_, pushes_;
  std::vector<MatrixView<T const>> input_views_, push_views_;
};

/// |a - b| / |b|: with a maximum, single gradients go elsewhere where two messages nearly tie.
double distance(MatrixView<float const> a, MatrixView<double const> b) {
  double difference = 0;
  double length = 0;
  for (std::int64_t r = 0; r < a.rows; ++r) {
    for (std::int64_t c = 0; c < a.cols; ++c) {
      difference += std::pow(static_cast<double>(a(r, c)) - b(r, c), 2);
      length += std::pow(b(r, c), 2);
    }
  }
  return std::sqrt(difference / length);
}

/// The network in double, on one thread and the baseline: what one in float is compared with.
struct Expected {
  Blocks blocks;
  Network<double> network;

  template <typename... Arguments>
  explicit Expected(Arguments const&... arguments) : blocks(arguments...), network(blocks) {
    network.forward_backward({.threads = 1, .isa = Isa::baseline});
  }
};

void run(benchmark::State& state, Expected const& expected, bool backward) {
  HostContext const ctx = bench::context_of(state);
  Network<float> network(expected.blocks);
  network.forward_backward(ctx);
  if (!(distance(network.output(), expected.network.output()) < 1e-5) ||
      !(distance(network.gradients(), expected.network.gradients()) < 1e-3)) {
    state.SkipWithError("differs from the network in double");
    return;
  }
  for (auto _ : state) {
    if (backward) {
      network.forward_backward(ctx);
    } else {
      network.forward(ctx);
    }
  }
  auto const edges = static_cast<double>(expected.blocks.edges());
  bench::report(state, "edges/s", edges);
  bench::report(state, "bytes/s", edges * (backward ? 2 : 1) * width * sizeof(float));
}

Expected const& whole_graph() {
  static Expected const expected(bench::item_graph);
  return expected;
}
Expected const& sampled_block() {
  static Expected const expected(bench::peers, seeds_per_type);
  return expected;
}

[[maybe_unused]] bool const registered = [] {
  for (bool const backward : {false, true}) {
    std::string const name =
        std::string(backward ? "hetero_sage.forward_backward" : "hetero_sage.forward") +
        "/cpu/float/";
    bench::add(name + "item_graph", benchmark::kMillisecond,
               [=](benchmark::State& state) { run(state, whole_graph(), backward); });
    bench::add(name + "sampled_block", benchmark::kMillisecond,
               [=](benchmark::State& state) { run(state, sampled_block(), backward); });
  }
  return true;
}();

}  // namespace
