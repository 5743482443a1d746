#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/graph/co_interaction.hpp>
#include <relweave/graph/hetero_graph.hpp>
#include <relweave/nn/device_hetero_sage.hpp>
#include <relweave/nn/hetero_sage.hpp>
#include <relweave/sampling/neighbor.hpp>

#include "uploaded.hpp"

namespace relweave::model {

/// A network's passes over blocks that were sampled on the host. Results of all types lie in one
/// matrix, type after type.
template <Space S>
class SagePass;

template <>
class SagePass<Space::host> {
 public:
  SagePass(HostContext const&, nn::HeteroSage<float> const& network, nn::ParameterSet<float> const&)
      : network_(network) {}

  MatrixView<float const> forward(HostContext const& ctx, nn::ParameterSet<float> const& parameters,
                                  sampling::SampledBlocks const& blocks,
                                  std::span<MatrixView<float const> const> inputs);
  void backward(HostContext const& ctx, nn::ParameterSet<float>& parameters,
                sampling::SampledBlocks const& blocks,
                std::span<MatrixView<float const> const> inputs, MatrixView<float const> grad);

 private:
  nn::HeteroSage<float> const& network_;
  nn::HeteroSageCache<float> cache_;
  std::vector<MatrixView<float const>> grads_;
  Matrix<float> out_;
};

template <>
class SagePass<Space::device> {
 public:
  SagePass(CudaContext const& ctx, nn::HeteroSage<float> const& network,
           nn::ParameterSet<float> const& parameters)
      : network_(ctx, network, parameters) {}

  MatrixView<float const, Space::device> forward(
      CudaContext const& ctx, nn::ParameterSet<float, Space::device> const& parameters,
      sampling::SampledBlocks const& blocks,
      std::span<MatrixView<float const, Space::device> const> inputs);
  void backward(CudaContext const& ctx, nn::ParameterSet<float, Space::device>& parameters,
                sampling::SampledBlocks const& blocks,
                std::span<MatrixView<float const, Space::device> const> inputs,
                MatrixView<float const, Space::device> grad);

 private:
  nn::DeviceHeteroSage network_;
  nn::DeviceHeteroSageCache cache_;
  std::vector<nn::DeviceBlock> blocks_;
  std::vector<nn::DeviceBlock const*> block_pointers_;
};

/// Samples neighbourhoods of a set of items, runs the network on them, and carries gradients back.
/// Per-type results are kept side by side in one matrix: seeds ascend, and items are grouped by
/// type, so each type's rows are one slice of it.
template <Space S>
class HgnnForward {
 public:
  /// `parameters`: where the network registered its tensors. The other arguments but ctx are kept
  /// by reference.
  HgnnForward(Context<S> const& ctx, nn::HeteroSage<float> const& network,
              nn::ParameterSet<float> const& parameters, graph::HeteroGraph const& graph,
              graph::ItemTypes const& types, MatrixView<float const, S> features,
              std::int32_t fanout);

  /// Draws the neighbourhoods of `nodes` (unique, ascending). May run beside run() and backward()
  /// on other blocks.
  void sample(HostContext const& ctx, std::span<NodeId const> nodes, std::uint64_t seed,
              std::uint64_t step, sampling::SampleOptions const& options,
              sampling::SampledBlocks& out);

  /// Unit vectors of the sampled nodes, (nodes, d). Valid until the next run.
  MatrixView<float const, S> run(Context<S> const& ctx,
                                 nn::ParameterSet<float, S> const& parameters,
                                 sampling::SampledBlocks const& blocks);

  /// Adds the parameters' gradients of the last run, with its blocks. grad (nodes, d).
  void backward(Context<S> const& ctx, nn::ParameterSet<float, S>& parameters,
                sampling::SampledBlocks const& blocks, MatrixView<float const, S> grad);

  /// Vectors of all items for inference: the normalised mean over `draws` neighbourhood samples.
  /// out (items, d).
  void average(Context<S> const& ctx, nn::ParameterSet<float, S> const& parameters,
               std::uint64_t seed, std::int64_t draws, MatrixView<float, S> out);

  std::int64_t out_features() const { return network_.config().out_features.back(); }

 private:
  nn::HeteroSage<float> const& network_;
  std::span<std::int64_t const> type_offsets_;
  MatrixView<float const, S> features_;
  sampling::NeighborSampler sampler_;
  sampling::SampledBlocks blocks_;  // of inference
  SagePass<S> pass_;

  std::vector<NodeId> local_;                    // seeds as ids inside their type
  std::vector<VectorView<NodeId const>> seeds_;  // per type
  std::vector<Uploaded<NodeId, S>> input_nodes_;
  std::vector<Matrix<float, S>> gathered_;  // per type: features of the input nodes
  std::vector<MatrixView<float const, S>> inputs_;
};

}  // namespace relweave::model
