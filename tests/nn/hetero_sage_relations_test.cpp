#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

#include <relweave/graph/compact_block.hpp>
#include <relweave/nn/hetero_sage.hpp>

#include "support/gradient_check.hpp"
#include "support/many_relations.hpp"
#include "support/random_graph.hpp"

using namespace relweave;
using namespace relweave::nn;

namespace {

HeteroSageConfig two_layers(Reduce reduce = Reduce::max) {
  return {.in_features = std::vector<std::int64_t>(16, 5),
          .out_features = {9, 6},
          .reduce = reduce,
          .sharing = WeightSharing::shared_between_directions};
}

template <typename T>
struct Results {
  std::vector<Matrix<T>> outputs, grad_inputs;
  Matrix<T> gradients;
};

template <typename T>
Results<T> passes(HostContext const& ctx, graph::HeteroGraph const& graph,
                  HeteroSageConfig const& config, BlockView const& block) {
  HeteroSage<T> sage(graph.schema(), config);
  ParameterSet<T> parameters;
  sage.register_parameters(parameters);
  parameters.allocate();
  sage.initialize(parameters, 4);
  std::vector<BlockView> const blocks(config.out_features.size(), block);
  std::vector<Matrix<T>> owned;
  std::vector<MatrixView<T const>> inputs, grads;
  std::vector<MatrixView<T>> below;
  Results<T> results;
  for (std::size_t t = 0; t < config.in_features.size(); ++t) {
    auto const nodes = block.n_src[t];
    owned.push_back(test::random_matrix<T>(nodes, config.in_features[t], t));
    owned.push_back(test::random_matrix<T>(nodes, config.out_features.back(), 50 + t));
    results.grad_inputs.emplace_back(nodes, config.in_features[t]);
  }
  for (std::size_t t = 0; t < results.grad_inputs.size(); ++t) {
    inputs.push_back(owned[2 * t].view());
    grads.push_back(owned[2 * t + 1].view());
    below.push_back(results.grad_inputs[t].view());
  }
  HeteroSageCache<T> cache;
  sage.forward(ctx, parameters, blocks, inputs, cache);
  parameters.zero_gradients();
  sage.backward(ctx, parameters, blocks, inputs, cache, grads, below);
  for (std::size_t t = 0; t < inputs.size(); ++t) {
    results.outputs.push_back(Matrix<T>::copy_of(cache.output(static_cast<NodeTypeId>(t))));
  }
  results.gradients = Matrix<T>::copy_of({parameters.gradients().data, 1, parameters.size()});
  return results;
}

template <typename T>
bool same_bits(Matrix<T> const& a, Matrix<T> const& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() &&
         std::equal(a.data(), a.data() + a.rows() * a.cols(), b.data());
}

}  // namespace

TEST_CASE("messages of the sources that are read give what those of all sources give",
          "[nn][hetero_sage]") {
  graph::HeteroGraph const graph = test::many_relations();
  HeteroSageConfig const config = two_layers(GENERATE(Reduce::max, Reduce::mean, Reduce::sum));
  HostContext const ctx{.threads = 2};
  graph::CompactBlock const compact(ctx, graph.block());
  auto const all = passes<double>(ctx, graph, config, graph.block());

  auto const read = passes<double>(ctx, graph, config, compact.view());

  for (std::size_t t = 0; t < all.outputs.size(); ++t) {
    CAPTURE(t);
    CHECK(same_bits(read.outputs[t], all.outputs[t]));
    // A chain of at most 400 edges and 240 relations.
    CHECK(test::largest_difference(read.grad_inputs[t], all.grad_inputs[t]) < 1e-13);
  }
  CHECK(test::largest_difference(read.gradients, all.gradients) < 1e-12);
}

TEST_CASE("relations that run in parallel give the same bits for 1, 2 and 3 threads",
          "[nn][hetero_sage]") {
  graph::HeteroGraph const graph = test::many_relations();
  bool const compacted = GENERATE(false, true);
  graph::CompactBlock const compact(HostContext{}, graph.block(), {.share = compacted ? 0.7 : 0.0});
  auto const one = passes<float>(HostContext{.threads = 1}, graph, two_layers(), compact.view());

  auto const more =
      passes<float>(HostContext{.threads = GENERATE(2, 3)}, graph, two_layers(), compact.view());

  for (std::size_t t = 0; t < one.outputs.size(); ++t) {
    CAPTURE(t);
    CHECK(same_bits(more.outputs[t], one.outputs[t]));
    CHECK(same_bits(more.grad_inputs[t], one.grad_inputs[t]));
  }
  CHECK(same_bits(more.gradients, one.gradients));
}
