#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/graph/co_interaction.hpp>
#include <relweave/model/training.hpp>
#include <relweave/nn/hetero_sage.hpp>
#include <relweave/nn/parameter.hpp>
#include <relweave/sampling/links.hpp>

namespace relweave::model {

/// Loss over the links of the item graph.
enum class LinkLoss {
  margin,           ///< De Nadai et al. 2024, eq. 4, with uniform negatives
  sampled_softmax,  ///< in-batch negatives with popularity correction
};

/// Defaults are the recipe measured on X-Wines (docs/benchmarks.md).
struct HgnnConfig {
  std::vector<std::int64_t> layers = {128, 128};  ///< output features per layer
  std::int32_t fanout = 10;                       ///< neighbours per node and relation
  std::int64_t epochs = 10;
  std::int64_t batch = 1024;  ///< links per step
  double learning_rate = 1e-3;
  LinkLoss loss = LinkLoss::margin;
  double margin = 0.3;
  std::int64_t negatives = 8;  ///< per link, for the margin loss
  double temperature = 0.1;    ///< for the sampled softmax
  sampling::LinkBalance balance = sampling::LinkBalance::floor;
  std::int64_t balance_floor = 2000;
  double validation_fraction = 0.1;
  std::int64_t patience = 10;        ///< epochs without improvement before stopping
  double node_drop = 0;              ///< share of nodes that lose their neighbourhood in a step
  std::int64_t inference_draws = 8;  ///< neighbourhood samples averaged per vector
  nn::WeightSharing sharing = nn::WeightSharing::shared_between_directions;
  std::uint64_t seed = 0;
};

/// Links from new items to items of the graph, for inductive inference.
struct NewItemLinks {
  VectorView<NodeId const> new_item;  ///< position among the new items
  VectorView<NodeId const> item;      ///< dense id of an item of the graph
};

/// Heterogeneous GraphSAGE over a co-interaction item graph, trained on its links, and inductive:
/// it embeds items that were not in the graph. Damianou et al. 2024 (arXiv 2403.07478).
/// Runs where its context says: matrices are in the memory of the context's space, all else is on
/// the host, which samples and numbers the graph. On a device the host runs a few steps ahead.
class RELWEAVE_API Hgnn {
 public:
  explicit Hgnn(HgnnConfig config = {}) : config_(std::move(config)) {}

  /// Trains on `links`. features (item_count, d), rows grouped by item type.
  template <AnyContext C = HostContext>
  TrainingHistory fit(C const& ctx, graph::ItemTypes const& types, graph::ItemLinks const& links,
                      In<MatrixView<float const, space_of<C>>> features,
                      ProgressCallback const& progress = {});

  /// Vectors of all items, (item_count, layers.back()), unit rows.
  template <AnyContext C = HostContext>
  void embed(C const& ctx, graph::ItemTypes const& types, graph::ItemLinks const& links,
             In<MatrixView<float const, space_of<C>>> features,
             In<MatrixView<float, space_of<C>>> out) const;

  /// Vectors of items outside the graph from their features and, if any, their links to it.
  /// new_types (m): type of each new item; new_features (m, d); out (m, layers.back()).
  template <AnyContext C = HostContext>
  void embed_new(C const& ctx, graph::ItemTypes const& types, graph::ItemLinks const& links,
                 In<MatrixView<float const, space_of<C>>> features,
                 VectorView<NodeTypeId const> new_types,
                 In<MatrixView<float const, space_of<C>>> new_features,
                 NewItemLinks const& new_links, In<MatrixView<float, space_of<C>>> out) const;

  /// Sizes the network without training it, so that parameters can be loaded.
  void initialize(graph::ItemTypes const& types, std::int64_t feature_count);

  HgnnConfig const& config() const { return config_; }
  bool fitted() const { return network_.has_value(); }
  std::int64_t out_features() const { return config_.layers.back(); }
  nn::ParameterSet<float>& parameters() { return parameters_; }
  nn::ParameterSet<float> const& parameters() const { return parameters_; }

 private:
  HgnnConfig config_;
  std::optional<nn::HeteroSage<float>> network_;
  nn::ParameterSet<float> parameters_;
  std::int64_t feature_count_ = 0;
};

}  // namespace relweave::model
