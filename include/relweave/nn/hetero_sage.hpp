#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/graph/csr.hpp>
#include <relweave/graph/schema.hpp>
#include <relweave/nn/parameter.hpp>
#include <relweave/ops/relation_aggregate/relation_aggregate.hpp>

namespace relweave::nn {

/// Whether the relations (a, name, b) and (b, name, a) have weights of their own.
enum class WeightSharing { separate, shared_between_directions };

struct HeteroSageConfig {
  std::vector<std::int64_t> in_features;   ///< per node type
  std::vector<std::int64_t> out_features;  ///< per layer
  Reduce reduce = Reduce::max;
  Activation activation = Activation::relu;           ///< after the sum, all layers but the last
  Activation last_activation = Activation::identity;  ///< of the last layer
  bool l2_normalize = true;                           ///< rows of the last layer
  WeightSharing sharing = WeightSharing::separate;
};

/// What the backward pass needs of the forward pass. Reused between calls.
template <Scalar T>
struct HeteroSageCache {
  struct Destination {
    Matrix<T> self;
    Matrix<T> messages;               // (message rows of all relations, out)
    std::vector<Matrix<T>> gathered;  // per relation: its source rows, when they are a selection
    Matrix<T> out;
    Matrix<T> grad_out;  // from the layer above
    ops::RelationAggregateCache<T> aggregate;
  };
  std::vector<std::vector<Destination>> layers;  // per layer and type

  /// Result for one type: (destinations of the last block, out_features.back()).
  MatrixView<T const> output(NodeTypeId type) const {
    return layers.back()[static_cast<std::size_t>(index(type))].out.view();
  }
};

/// Heterogeneous GraphSAGE of any depth over any node types and relations:
///   m_r(s)  = relu(h_s W_r + b_r)
///   h'_d    = act(h_d W_type(d) + sum_r reduce_{s in N_r(d)} m_r(s)),   last layer: h' / |h'|.
/// Messages are made once per (relation, source row) and gathered by one fused aggregation per
/// destination type. Layers are stateless: parameters and caches belong to the caller.
/// Tensors: "layers.<l>.message.<source>__<name>__<destination>.weight" (in, out), ".bias" (out),
/// "layers.<l>.self.<type>.weight" (in, out); directions that share weights use the name of the
/// relation with the lower id. A type without incoming relations has its self weight alone.
/// Source: Damianou et al. 2024 (arXiv 2403.07478); De Nadai et al. 2024, eqs. 1-3 (2403.05185).
template <Scalar T>
class RELWEAVE_API HeteroSage {
 public:
  /// Throws ConfigError for sizes that do not fit the schema or directions that cannot share.
  HeteroSage(graph::Schema const& schema, HeteroSageConfig config);

  void register_parameters(ParameterSet<T>& parameters);
  /// Weights uniform with variance 1 / fan_in, biases zero.
  void initialize(ParameterSet<T>& parameters, std::uint64_t seed) const;

  /// blocks: one per layer, input side first; a whole graph passes its block for every layer, with
  /// many relations as a graph::CompactBlock.
  /// inputs: one per node type, (n_src of the first block, in_features).
  void forward(HostContext const& ctx, ParameterSet<T> const& parameters,
               std::span<BlockView const> blocks, std::span<MatrixView<T const> const> inputs,
               HeteroSageCache<T>& cache) const;

  /// Adds the parameters' gradients. grad_outputs: one per type, shaped like the outputs.
  /// grad_inputs: one per type, overwritten, or none at all.
  void backward(HostContext const& ctx, ParameterSet<T>& parameters,
                std::span<BlockView const> blocks, std::span<MatrixView<T const> const> inputs,
                HeteroSageCache<T>& cache, std::span<MatrixView<T const> const> grad_outputs,
                std::span<MatrixView<T> const> grad_inputs = {}) const;

  HeteroSageConfig const& config() const { return config_; }
  graph::Schema const& schema() const { return schema_; }

  struct Message {
    ParameterId weight;
    ParameterId bias;
  };
  /// Tensors of a layer, once they are registered.
  Message const& message(std::size_t layer, RelationId relation) const;
  ParameterId self(std::size_t layer, NodeTypeId type) const;
  std::int64_t in_features(std::size_t layer, NodeTypeId type) const;
  ops::RelationAggregateParams aggregate_params(std::size_t layer) const;

 private:
  struct Layer {
    std::vector<Message> message;   // per relation
    std::vector<ParameterId> self;  // per type
  };

  void check(std::span<BlockView const> blocks, std::span<MatrixView<T const> const> inputs) const;

  graph::Schema schema_;
  HeteroSageConfig config_;
  std::vector<RelationId> weights_of_;  // per relation: the one whose weights it uses
  std::vector<Layer> layers_;
};

}  // namespace relweave::nn
