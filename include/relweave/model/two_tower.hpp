#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/graph/co_interaction.hpp>
#include <relweave/model/tower_network.hpp>
#include <relweave/model/training.hpp>
#include <relweave/nn/parameter.hpp>

namespace relweave::model {

enum class TowerLoss {
  sampled_softmax,  ///< in-batch softmax with popularity correction
  dot_product,      ///< De Nadai et al. 2024, eq. 5; bounded by the unit norm of both outputs
  bpr,              ///< Rendle et al. 2009, over in-batch negatives
};

/// Which interactions of the user make the history of a training example.
enum class HistoryMode {
  leave_one_out,  ///< the user's most recent items without the target
  causal,         ///< only items strictly before the target
};

enum class LearningRateSchedule { constant, cosine };

/// Defaults are the recipe measured on X-Wines (docs/benchmarks.md).
struct TwoTowerConfig {
  std::vector<std::int64_t> layers = {512, 256, 128};
  std::int64_t epochs = 6;
  std::int64_t batch = 512;
  double learning_rate = 1e-3;
  LearningRateSchedule schedule = LearningRateSchedule::cosine;
  TowerLoss loss = TowerLoss::sampled_softmax;
  double temperature = 0.05;
  double correction = 1.0;  ///< share of log q subtracted from the logits in training
  HistoryMode history = HistoryMode::leave_one_out;
  std::int32_t max_history = 50;    ///< most recent items of the user
  std::int64_t window_seconds = 0;  ///< 0: no limit
  double weak_weight = 0.3;         ///< of weak signals in the history; strong ones weigh 1
  double hidden_history = 0.03;     ///< share of examples without history: teaches the cold user
  double cold_items = 0;            ///< share of a step's items shown as new ones, without links
  double trend = 0.5;               ///< weight of the recent-popularity prior at serving
  std::int64_t trend_seconds = 90LL * 86400;
  std::uint64_t seed = 0;
};

/// Interaction histories in time order, oldest first: user u has entries
/// [offsets[u], offsets[u + 1]).
struct Histories {
  VectorView<std::int64_t const> offsets;  // (n_users + 1)
  VectorView<NodeId const> items;          // (n_entries) dense item ids
  VectorView<std::uint8_t const> strong;   // (n_entries), or empty: all strong
};

/// What is known of items: features (n, f) text and metadata; vectors (n, v) pooled in histories
/// and given to the item tower: HGNN vectors in 2T-HGNN, the text vectors in 2T alone;
/// cold_vectors (n, v), for training with cold_items: what `vectors` would be without links.
template <Space S>
struct ItemInputsIn {
  MatrixView<float const, S> features;
  MatrixView<float const, S> vectors;
  MatrixView<float const, S> cold_vectors = {};
};
using ItemInputs = ItemInputsIn<Space::host>;

/// User tower and item tower into one vector space. The user tower reads a history and optional
/// user features, never a user id, so it serves users it has not seen. De Nadai et al. 2024.
/// Runs where its context says: items and vectors are in the memory of the context's space, all
/// else is on the host, which draws batches and collects histories. On a device the host runs a few
/// steps ahead.
class RELWEAVE_API TwoTower {
 public:
  explicit TwoTower(TwoTowerConfig config = {}) : config_(std::move(config)) {}

  /// Trains on the strong interactions of `log` (sorted by user, then time).
  /// user_features (user_count, c) or empty. config.cold_items needs items.cold_vectors.
  template <AnyContext C = HostContext>
  TrainingHistory fit(C const& ctx, graph::InteractionLogView const& log,
                      graph::ItemTypes const& types, In<ItemInputsIn<space_of<C>>> const& items,
                      MatrixView<float const> user_features, ProgressCallback const& progress = {});

  /// Unit item vectors, (n, layers.back()). item_types (n) and inputs may be of any items,
  /// those of the training or new ones.
  template <AnyContext C = HostContext>
  void item_vectors(C const& ctx, VectorView<NodeTypeId const> item_types,
                    In<ItemInputsIn<space_of<C>>> const& items,
                    In<MatrixView<float, space_of<C>>> out) const;

  /// Unit user vectors, (n_users, layers.back()), from histories over the training's items.
  template <AnyContext C = HostContext>
  void user_vectors(C const& ctx, Histories const& histories, graph::ItemTypes const& types,
                    In<MatrixView<float const, space_of<C>>> vectors,
                    MatrixView<float const> user_features,
                    In<MatrixView<float, space_of<C>>> out) const;

  /// What serving adds to the score of each training item: the recent-popularity prior.
  VectorView<float const> item_bias() const { return item_bias_.view(); }
  VectorView<float> item_bias() { return item_bias_.view(); }
  /// The same for an item that no training interaction touched, such as one added later.
  float unseen_bias() const { return unseen_bias_; }
  void set_unseen_bias(float bias) { unseen_bias_ = bias; }

  /// Sizes both towers without training them, so that parameters can be loaded.
  void initialize(TowerInputs const& inputs, std::int64_t item_count);

  TwoTowerConfig const& config() const { return config_; }
  bool fitted() const { return network_.has_value(); }
  std::int64_t out_features() const { return config_.layers.back(); }
  nn::ParameterSet<float>& parameters() { return parameters_; }
  nn::ParameterSet<float> const& parameters() const { return parameters_; }

 private:
  TwoTowerConfig config_;
  nn::ParameterSet<float> parameters_;
  std::optional<TowerNetwork> network_;
  Buffer<float> item_bias_;
  float unseen_bias_ = 0;
};

}  // namespace relweave::model
