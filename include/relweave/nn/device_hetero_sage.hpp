#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/nn/device_block.hpp>
#include <relweave/nn/hetero_sage.hpp>
#include <relweave/nn/parameter.hpp>
#include <relweave/ops/gather_rows/device_indices.hpp>

namespace relweave::nn {

/// What the backward pass needs of the forward pass. Reused between calls.
struct DeviceHeteroSageCache {
  struct Layer {
    Matrix<float, Space::device> tensors;   // weights and biases of all messages, concatenated
    Matrix<float, Space::device> messages;  // (message rows, out)
    Matrix<float, Space::device> self;      // (destinations of all types, out)
    Matrix<float, Space::device> out;       // likewise
    Matrix<float, Space::device> grad_out;  // from the layer above
    ops::RelationAggregateDeviceCache aggregate;
  };
  std::vector<Layer> layers;

  /// (destinations of all types of the last block, out_features.back()), type after type.
  MatrixView<float const, Space::device> output() const { return layers.back().out.view(); }
};

/// HeteroSage on a device: the same formula and parameters. A layer is one product per type for the
/// messages of all relations out of it (or one per relation, see DeviceBlock), one per type for the
/// nodes' own term, and one aggregation for all types and relations. No call allocates or waits
/// once the cache, and a workspace that grows on demand, have seen the largest block; so a step can
/// be captured in a CUDA graph. Determinism: run_to_run on one type of device.
class RELWEAVE_API DeviceHeteroSage {
 public:
  /// `parameters`: where the network registered its tensors; their layout is kept, not their
  /// values.
  DeviceHeteroSage(CudaContext const& ctx, HeteroSage<float> const& network,
                   ParameterSet<float> const& parameters);

  /// blocks: one per layer, input side first; a whole graph passes its block for every layer.
  /// inputs: one per node type, (n_src of the first block, in_features).
  /// Throws ShapeError; as the ops that it runs.
  void forward(CudaContext const& ctx, ParameterSet<float, Space::device> const& parameters,
               std::span<DeviceBlock const* const> blocks,
               std::span<MatrixView<float const, Space::device> const> inputs,
               DeviceHeteroSageCache& cache) const;

  /// Adds the parameters' gradients. grad_output: of the shape of cache.output().
  /// grad_inputs: one per type, overwritten, or none at all.
  void backward(CudaContext const& ctx, ParameterSet<float, Space::device>& parameters,
                std::span<DeviceBlock const* const> blocks,
                std::span<MatrixView<float const, Space::device> const> inputs,
                DeviceHeteroSageCache& cache, MatrixView<float const, Space::device> grad_output,
                std::span<MatrixView<float, Space::device> const> grad_inputs = {}) const;

  HeteroSage<float> const& network() const { return network_; }

 private:
  /// The weights of the relations out of a type side by side, (in, relations * out), and their
  /// biases.
  struct Concatenated {
    std::int64_t relations = 0;
    std::int64_t in = 0;
    std::int64_t weight = 0;  // first element in the layer's tensors
    std::int64_t bias = 0;
  };
  struct Layer {
    std::vector<Concatenated> types;
    std::int64_t out = 0;
    std::int64_t piece = 0;     // elements moved as one: divides rows, and where tensors begin
    ops::DeviceIndices pieces;  // of the parameters, in the order of the concatenation
  };

  MatrixView<float const, Space::device> input(
      std::size_t layer, NodeTypeId type, std::span<DeviceBlock const* const> blocks,
      std::span<MatrixView<float const, Space::device> const> inputs,
      DeviceHeteroSageCache const& cache) const;
  void check(std::span<DeviceBlock const* const> blocks,
             std::span<MatrixView<float const, Space::device> const> inputs) const;

  HeteroSage<float> network_;
  std::vector<Layer> layers_;
};

}  // namespace relweave::nn
