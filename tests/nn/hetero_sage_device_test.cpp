#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/nn/device_hetero_sage.hpp>
#include <relweave/sampling/neighbor.hpp>

#include <support/captured_graph.hpp>
#include <support/device.hpp>
#include <support/gradient_check.hpp>
#include <support/random_graph.hpp>
#include <support/sample_graph.hpp>

using namespace relweave;
using namespace relweave::nn;
using namespace relweave::test;

namespace {

using DeviceView = MatrixView<float const, Space::device>;

/// A network over the sample graph's types, with its twin on the device. Tensors are of any width.
struct Twins {
  SampleGraph sample;
  graph::HeteroGraph graph = sample.build();
  HeteroSage<float> sage;
  ParameterSet<float> parameters;
  OwnedStream stream;
  DeviceWorkspace workspace{Growth::on_demand};
  CudaContext ctx{.stream = stream.get(), .workspace = &workspace};

  explicit Twins(HeteroSageConfig config) : sage(sample.schema, std::move(config)) {
    sage.register_parameters(parameters);
    parameters.allocate();
    sage.initialize(parameters, 3);
    for (ParameterInfo const& info : parameters.infos()) {
      if (info.vector) {  // biases away from zero, so that relu has both sides
        for (std::int64_t i = 0; i < info.cols; ++i) {
          parameters.values()[info.offset + i] = 0.1F * static_cast<float>(i % 3 - 1);
        }
      }
    }
  }

  std::size_t depth() const { return sage.config().out_features.size(); }
};

/// A forward and a backward pass of both, of the same blocks and inputs.
struct Passes {
  std::vector<DeviceBlock> blocks;
  std::vector<DeviceBlock const*> block_pointers;
  std::vector<Matrix<float>> inputs;
  std::vector<MatrixView<float const>> input_views;
  std::vector<Matrix<float, Space::device>> device_inputs;
  std::vector<DeviceView> device_input_views;
  ParameterSet<float, Space::device> parameters;
  DeviceHeteroSage sage;
  DeviceHeteroSageCache cache;
  Matrix<float> grad;
  Matrix<float, Space::device> device_grad;
  std::vector<Matrix<float, Space::device>> grad_inputs;

  Passes(Twins& twins, std::span<BlockView const> views)
      : blocks(views.size()),
        parameters(twins.ctx, twins.parameters),
        sage(twins.ctx, twins.sage, twins.parameters) {
    for (std::size_t l = 0; l < views.size(); ++l) {
      blocks[l].upload(twins.ctx, twins.sample.schema, views[l]);
      block_pointers.push_back(&blocks[l]);
    }
    for (std::size_t t = 0; t < views[0].n_src.size(); ++t) {
      inputs.push_back(
          random_matrix<float>(views[0].n_src[t], twins.sage.config().in_features[t], 20 + t));
      device_inputs.emplace_back(inputs[t].rows(), inputs[t].cols());
      grad_inputs.emplace_back(inputs[t].rows(), inputs[t].cols());
      copy(twins.ctx, inputs[t].view(), device_inputs[t].view());
    }
    for (std::size_t t = 0; t < inputs.size(); ++t) {
      input_views.push_back(inputs[t].view());
      device_input_views.push_back(device_inputs[t].view());
    }
    grad = random_matrix<float>(blocks.back().n_dst(), twins.sage.config().out_features.back(), 30);
    device_grad = Matrix<float, Space::device>(grad.rows(), grad.cols());
    copy(twins.ctx, grad.view(), device_grad.view());
    synchronize(twins.ctx);
  }

  void run(CudaContext const& ctx) {
    std::vector<MatrixView<float, Space::device>> below;
    for (auto& g : grad_inputs) {
      below.push_back(g.view());
    }
    sage.forward(ctx, parameters, block_pointers, device_input_views, cache);
    sage.backward(ctx, parameters, block_pointers, device_input_views, cache, device_grad.view(),
                  below);
  }
};

template <typename V>
auto download(CudaContext const& ctx, V from) {
  if constexpr (requires { from.rows; }) {
    Matrix<float> to(from.rows, from.cols);
    copy(ctx, from, to.view());
    synchronize(ctx);
    return to;
  } else {
    Matrix<float> to(1, from.size);
    copy(ctx, from, VectorView<float>(to.data(), to.cols()));
    synchronize(ctx);
    return to;
  }
}

/// The host's results, of the same shapes as the device's.
struct Expected {
  Matrix<float> out, gradients;
  std::vector<Matrix<float>> grad_inputs;

  Expected(Twins& twins, Passes const& passes, std::span<BlockView const> views)
      : out(passes.grad.rows(), passes.grad.cols()) {
    HeteroSageCache<float> cache;
    twins.sage.forward({}, twins.parameters, views, passes.input_views, cache);
    std::vector<MatrixView<float const>> grads;
    std::vector<MatrixView<float>> below;
    for (std::size_t t = 0; t < passes.inputs.size(); ++t) {
      auto const type = static_cast<NodeTypeId>(t);
      auto const first = passes.blocks.back().dst_base(type);
      auto const count = passes.blocks.back().n_dst(type);
      copy(HostContext{}, cache.output(type), out.view().row_slice(first, count));
      grads.push_back(passes.grad.view().row_slice(first, count));
      grad_inputs.emplace_back(passes.inputs[t].rows(), passes.inputs[t].cols());
    }
    for (auto& g : grad_inputs) {
      below.push_back(g.view());
    }
    twins.parameters.zero_gradients();
    twins.sage.backward({}, twins.parameters, views, passes.input_views, cache, grads, below);
    gradients = Matrix<float>(1, twins.parameters.size());
    std::copy_n(twins.parameters.gradients().data, gradients.cols(), gradients.data());
  }
};

void check_equal(Twins& twins, std::span<BlockView const> views) {
  Passes passes(twins, views);
  Expected const expected(twins, passes, views);

  passes.run(twins.ctx);

  CHECK(largest_difference(download(twins.ctx, passes.cache.output()), expected.out) < 1e-5);
  CHECK(largest_difference(download(twins.ctx, passes.parameters.gradients()), expected.gradients) <
        2e-4);
  for (std::size_t t = 0; t < passes.grad_inputs.size(); ++t) {
    CAPTURE(t);
    CHECK(largest_difference(download(twins.ctx, passes.grad_inputs[t].view()),
                             expected.grad_inputs[t]) < 1e-4);
  }
}

HeteroSageConfig two_layers() {
  return {.in_features = {6, 6, 6}, .out_features = {16, 12}};
}

}  // namespace

TEST_CASE("a network on a device equals the host's on a whole graph", "[nn][hetero_sage][gpu]") {
  HeteroSageConfig config = two_layers();
  SECTION("max") {}
  SECTION("mean") {
    config.reduce = Reduce::mean;
  }
  SECTION("sum, no norm") {
    config.reduce = Reduce::sum;
    config.l2_normalize = false;
  }
  SECTION("odd widths, another input size per type") {
    config.in_features = {3, 5, 2};
    config.out_features = {7, 1, 9};
  }
  SECTION("one layer with relu at the end") {
    config.out_features = {8};
    config.last_activation = Activation::relu;
  }
  Twins twins(config);
  std::vector<BlockView> const views(twins.depth(), twins.graph.block());

  check_equal(twins, views);
}

TEST_CASE("a network on a device equals the host's on sampled blocks", "[nn][hetero_sage][gpu]") {
  Twins twins(two_layers());
  sampling::NeighborSampler sampler(twins.graph, {.fanouts = {3, 4}});
  sampling::SampledBlocks blocks;
  NodeId const a[] = {0, 4, 9, 29};
  NodeId const b[] = {7, 8};
  std::vector<VectorView<NodeId const>> seeds{{a, 4}, {b, 2}, {}};
  SECTION("seeds of two types") {}
  SECTION("seeds of one type") {
    seeds[0] = {};
  }
  sampler.sample({}, seeds, 1, 2, {}, blocks);

  check_equal(twins, blocks.blocks());
}

TEST_CASE("a type whose messages are hardly read makes those alone", "[nn][hetero_sage][gpu]") {
  graph::Schema const schema({"a", "b"}, {{NodeTypeId{0}, "x", NodeTypeId{0}},
                                          {NodeTypeId{0}, "y", NodeTypeId{0}},
                                          {NodeTypeId{0}, "z", NodeTypeId{1}},
                                          {NodeTypeId{1}, "x", NodeTypeId{0}}});
  Twins twins(two_layers());
  twins.sample.schema = schema;
  graph::HeteroGraphBuilder builder(schema, {50, 9});
  for (std::int32_t r = 0; r < 4; ++r) {
    std::int64_t const edges = r == 1 ? 0 : 12;  // and a relation without any
    auto const s = random_indices(edges, r == 3 ? 9 : 50, static_cast<std::uint64_t>(r));
    auto const d = random_indices(edges, r == 2 ? 9 : 50, static_cast<std::uint64_t>(r) + 10);
    builder.add_edges(static_cast<RelationId>(r), view_of(s), view_of(d));
  }
  twins.graph = builder.build({});
  twins.sage = HeteroSage<float>(schema, {.in_features = {6, 6}, .out_features = {16, 8}});
  twins.parameters = {};
  twins.sage.register_parameters(twins.parameters);
  twins.parameters.allocate();
  twins.sage.initialize(twins.parameters, 8);
  std::vector<BlockView> const views(2, twins.graph.block());

  DeviceBlock const block(twins.ctx, schema, views[0]);
  CHECK_FALSE(block.concatenated(NodeTypeId{0}));
  CHECK(block.concatenated(NodeTypeId{1}));
  CHECK(block.csr().view().message_rows <= 12 + 12 + 9);
  check_equal(twins, views);
}

TEST_CASE("directions that share weights add up their gradients on a device",
          "[nn][hetero_sage][gpu]") {
  graph::Schema const schema({"a", "b"}, {{NodeTypeId{0}, "co", NodeTypeId{0}},
                                          {NodeTypeId{0}, "co", NodeTypeId{1}},
                                          {NodeTypeId{1}, "co", NodeTypeId{0}}});
  Twins twins(two_layers());
  twins.sample.schema = schema;
  graph::HeteroGraphBuilder builder(schema, {12, 9});
  for (std::int32_t r = 0; r < 3; ++r) {
    std::int64_t const sources = r == 2 ? 9 : 12;
    std::int64_t const destinations = r == 1 ? 9 : 12;
    auto const s = random_indices(40, sources, static_cast<std::uint64_t>(r));
    auto const d = random_indices(40, destinations, static_cast<std::uint64_t>(r) + 10);
    builder.add_edges(static_cast<RelationId>(r), view_of(s), view_of(d));
  }
  twins.graph = builder.build({});
  twins.sage = HeteroSage<float>(schema, {.in_features = {6, 6},
                                          .out_features = {16, 8},
                                          .sharing = WeightSharing::shared_between_directions});
  twins.parameters = {};
  twins.sage.register_parameters(twins.parameters);
  twins.parameters.allocate();
  twins.sage.initialize(twins.parameters, 8);
  std::vector<BlockView> const views(2, twins.graph.block());

  check_equal(twins, views);
}

TEST_CASE("a network's passes on a device give the same bits twice, and in a replayed graph",
          "[nn][hetero_sage][gpu]") {
  Twins twins(two_layers());
  std::vector<BlockView> const views(2, twins.graph.block());
  Passes passes(twins, views);
  auto const gradients = [&] {
    return download(twins.ctx, std::as_const(passes.parameters).gradients());
  };
  passes.run(twins.ctx);
  auto const first = gradients();
  set_zero<float, Space::device>(twins.ctx, passes.parameters.gradients());

  passes.run(twins.ctx);
  auto const second = gradients();
  set_zero<float, Space::device>(twins.ctx, passes.parameters.gradients());
  CapturedGraph const graph(twins.ctx, [&] { passes.run(twins.ctx); });
  graph.launch(twins.ctx);

  CHECK(same_bits(first, second));
  CHECK(same_bits(first, gradients()));
}

TEST_CASE("a device block refuses what is not of the schema", "[nn][hetero_sage][gpu]") {
  Twins twins(two_layers());
  BlockView block = twins.graph.block();
  std::vector<DestinationBlock> destinations(block.destinations.begin(), block.destinations.end());
  block.destinations = destinations;
  DeviceBlock to;

  SECTION("another number of types") {
    block.destinations = block.destinations.subspan(1);
    CHECK_THROWS_WITH(to.upload(twins.ctx, twins.sample.schema, block),
                      Catch::Contains("block: got 2 destinations and 3 source counts"));
  }
  SECTION("another order of relations") {
    std::vector<RelationBlock> swapped(destinations[0].relations.rbegin(),
                                       destinations[0].relations.rend());
    destinations[0].relations = swapped;
    CHECK_THROWS_WITH(to.upload(twins.ctx, twins.sample.schema, block),
                      Catch::Contains("block.destinations[a]: got other relations"));
  }
  SECTION("an edge to a row that is not there") {
    std::vector<NodeId> cols(destinations[0].csr.cols.begin(), destinations[0].csr.cols.end());
    cols[3] = 100'000;
    destinations[0].csr.cols = view_of(cols);
    CHECK_THROWS_AS(to.upload(twins.ctx, twins.sample.schema, block), IndexError);
  }
  SECTION("more messages than a NodeId counts") {
    std::vector<std::int64_t> n_src{30, 50, std::int64_t{3} << 30};
    block.n_src = n_src;
    CHECK_THROWS_WITH(to.upload(twins.ctx, twins.sample.schema, block),
                      Catch::Contains("message rows") && Catch::Contains("fewer than 2^31"));
  }
  SECTION("blocks that do not follow one another") {
    Passes passes(twins, std::vector<BlockView>(2, twins.graph.block()));
    sampling::NeighborSampler sampler(twins.graph, {.fanouts = {2}});
    sampling::SampledBlocks sampled;
    NodeId const a[] = {0};
    sampler.sample({}, std::vector<VectorView<NodeId const>>{{a, 1}, {}, {}}, 1, 1, {}, sampled);
    passes.blocks[1].upload(twins.ctx, twins.sample.schema, sampled.blocks()[0]);
    CHECK_THROWS_AS(passes.run(twins.ctx), ShapeError);
  }
}
