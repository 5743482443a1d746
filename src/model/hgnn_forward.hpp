#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/context.hpp>
#include <relweave/graph/co_interaction.hpp>
#include <relweave/graph/hetero_graph.hpp>
#include <relweave/nn/hetero_sage.hpp>
#include <relweave/sampling/neighbor.hpp>

namespace relweave::model {

/// Samples neighbourhoods of a set of items, runs the network on them, and carries gradients back.
/// Per-type results are kept side by side in one matrix: seeds ascend, and items are grouped by
/// type, so each type's rows are one slice of it.
class HgnnForward {
 public:
  HgnnForward(nn::HeteroSage<float> const& network, graph::HeteroGraph const& graph,
              graph::ItemTypes const& types, MatrixView<float const> features, std::int32_t fanout);

  /// Unit vectors of `nodes` (unique, ascending), (nodes, d). Valid until the next run.
  MatrixView<float const> run(HostContext const& ctx, nn::ParameterSet<float> const& parameters,
                              std::span<NodeId const> nodes, std::uint64_t seed, std::uint64_t step,
                              sampling::SampleOptions const& options);

  /// Adds the parameters' gradients of the last run. grad (nodes, d).
  void backward(HostContext const& ctx, nn::ParameterSet<float>& parameters,
                MatrixView<float const> grad);

  /// Vectors of all items for inference: the normalised mean over `draws` neighbourhood samples.
  /// out (items, d).
  void average(HostContext const& ctx, nn::ParameterSet<float> const& parameters,
               std::uint64_t seed, std::int64_t draws, MatrixView<float> out);

  std::int64_t out_features() const { return network_.config().out_features.back(); }

 private:
  nn::HeteroSage<float> const& network_;
  std::span<std::int64_t const> type_offsets_;
  MatrixView<float const> features_;
  sampling::NeighborSampler sampler_;
  sampling::SampledBlocks blocks_;
  nn::HeteroSageCache<float> cache_;

  std::vector<NodeId> local_;                    // seeds as ids inside their type
  std::vector<std::int64_t> seed_offsets_;       // (types + 1)
  std::vector<VectorView<NodeId const>> seeds_;  // per type
  std::vector<Matrix<float>> gathered_;          // per type: features of the input nodes
  std::vector<MatrixView<float const>> inputs_;
  std::vector<MatrixView<float const>> grads_;
  Matrix<float> out_;
};

}  // namespace relweave::model
