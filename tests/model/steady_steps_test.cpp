#include <catch2/catch.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

#include <relweave/graph/compact_block.hpp>
#include <relweave/nn/hetero_sage.hpp>
#include <relweave/optim/adam.hpp>

#include "support/allocations.hpp"
#include "support/many_relations.hpp"
#include "support/tiny_recommender.hpp"

using namespace relweave;
using namespace relweave::model;
using namespace relweave::test;

namespace {

// One thread: another one's scratch memory grows when it happens to get its largest task.
constexpr HostContext one_thread{.threads = 1};

/// Counts the allocations of at least `bytes` in steps of the epochs from `first` on: what was
/// allocated since the step before was reported.
class StepCounter {
 public:
  StepCounter(std::size_t bytes, std::int64_t first) : bytes_(bytes), first_(first) {}

  ProgressCallback callback() {
    return [this](Progress const& p) {
      if (p.epoch >= first_ && p.step > 1) {
        ++steps;
        allocations += allocations::counted();
      }
      allocations::count_from(bytes_);
      return true;
    };
  }

  std::int64_t steps = 0;
  std::int64_t allocations = 0;

 private:
  std::size_t bytes_;
  std::int64_t first_;
};

}  // namespace

TEST_CASE("steps of the towers allocate nothing after the first epoch", "[model][two_tower]") {
  TinyLog const log(200, item_count, 8);
  TwoTower towers({.layers = {32, 16}, .epochs = 3, .batch = 64});
  StepCounter counter(0, 1);

  towers.fit(one_thread, log.view(), log.types,
             {.features = log.features.view(),
              .vectors = log.features.view(),
              .cold_vectors = log.features.view()},
             {}, counter.callback());

  CHECK(counter.steps > 30);
  CHECK(counter.allocations == 0);
}

TEST_CASE("steps of the HGNN allocate nothing once the largest sample was drawn", "[model][hgnn]") {
  TinyLog const log(200, item_count, 8);
  auto const links = graph::co_interaction_links(one_thread, log.view(), log.types, {});
  Hgnn hgnn({.layers = {16, 16},
             .fanout = 60,  // most steps reach all items, and their sizes hardly differ
             .epochs = 12,
             .batch = 128,
             .loss = GENERATE(LinkLoss::margin, LinkLoss::sampled_softmax)});
  // But for the list of one node's neighbours that may be drawn, of which there are fewer than 60.
  StepCounter counter(64 * sizeof(NodeId) + 1, 4);

  hgnn.fit(one_thread, log.types, links, log.features.view(), counter.callback());

  CHECK(counter.steps > 30);
  CHECK(counter.allocations == 0);
}

TEST_CASE("steps on a whole graph allocate nothing after the first", "[nn][hetero_sage]") {
  graph::HeteroGraph const graph = many_relations();
  auto const types = static_cast<std::size_t>(graph.schema().node_type_count());
  nn::HeteroSage<float> sage(
      graph.schema(), {.in_features = std::vector<std::int64_t>(types, 5), .out_features = {9, 6}});
  nn::ParameterSet<float> parameters;
  sage.register_parameters(parameters);
  parameters.allocate();
  sage.initialize(parameters, 1);
  graph::CompactBlock const compact(one_thread, graph.block());
  std::vector<BlockView> const blocks(2, GENERATE(false, true) ? compact.view() : graph.block());
  Matrix<float> const input = random_matrix<float>(40, 5, 1);
  Matrix<float> const grad = random_matrix<float>(40, 6, 2);
  std::vector<MatrixView<float const>> const inputs(types, input.view());
  std::vector<MatrixView<float const>> const grads(types, grad.view());
  optim::Adam<float> adam({}, parameters.size());
  nn::HeteroSageCache<float> cache;
  auto const step = [&] {
    sage.forward(one_thread, parameters, blocks, inputs, cache);
    parameters.zero_gradients();
    sage.backward(one_thread, parameters, blocks, inputs, cache, grads);
    adam.step(one_thread, parameters.values(), parameters.gradients(), 1e-3);
  };
  step();
  step();  // the first made one piece of its scratch memory at its end

  allocations::count_from(0);
  step();
  std::int64_t const allocated = allocations::counted();

  CHECK(allocated == 0);
}
