#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/graph/co_interaction.hpp>
#include <relweave/io/vocabulary.hpp>
#include <relweave/model/hgnn.hpp>
#include <relweave/model/two_tower.hpp>
#include <relweave/retrieval/exact_index.hpp>

namespace relweave::model {

class SortedLog;
class ServingCopies;

struct RecommenderConfig {
  graph::CoInteractionConfig graph;
  HgnnConfig hgnn;
  TwoTowerConfig towers;
  /// False leaves graph and HGNN out: two towers on the item features alone (2T).
  bool use_hgnn = true;
};

/// Everything `Recommender::fit` learns from. Items are grouped by type; copied where kept.
struct TrainingData {
  graph::InteractionLogView log;  ///< any order
  graph::ItemTypes types;
  MatrixView<float const> item_features;  ///< (item_count, f): text vectors [and metadata]
  MatrixView<float const> user_features;  ///< (user_count, c), or empty
  io::Vocabulary items;                   ///< external ids in dense order
  io::Vocabulary users;
};

struct RecommendOptions {
  std::int64_t k = 10;
  bool exclude_seen = true;           ///< leave out the items of the history
  std::span<NodeTypeId const> types;  ///< only these item types; empty: all
  std::span<NodeId const> allowed;    ///< only these items; empty: all
};

struct ScoredItem {
  NodeId item = -1;
  float score = 0;

  bool operator==(ScoredItem const&) const = default;
};

/// The whole pipeline: log -> co-interaction graph -> HGNN -> two towers -> exact index.
/// Every call runs where its context says; data comes from the host and goes there. With a
/// CudaContext the host builds the graph and samples, all else is on the device, which keeps a copy
/// of what serving reads; lists are at most ops::top_k_device_limit long there.
class RELWEAVE_API Recommender {
 public:
  explicit Recommender(RecommenderConfig config = {}) : config_(std::move(config)) {}

  /// Stopped by `progress` in the stage "graph", it throws StoppedError and changes nothing;
  /// stopped later, what was trained stays.
  template <AnyContext C = HostContext>
  void fit(C const& ctx, TrainingData data, ProgressCallback const& progress = {});

  /// New log over the same catalogue: trains the towers again on the HGNN's present vectors.
  /// Both refits forget items that were added after training, and change nothing when they throw.
  template <AnyContext C = HostContext>
  void refit_towers(C const& ctx, graph::InteractionLogView const& log, io::Vocabulary users,
                    MatrixView<float const> user_features, ProgressCallback const& progress = {});
  /// Builds the graph again from a new log and computes vectors with the trained HGNN, without
  /// training; the towers keep their parameters and see the new vectors.
  template <AnyContext C = HostContext>
  void refit_graph(C const& ctx, graph::InteractionLogView const& log,
                   ProgressCallback const& progress = {});

  /// The k best items per history. indices and scores (n, k); missing places are -1, -infinity.
  /// user_features (n, c), or empty: all zero.
  template <AnyContext C = HostContext>
  void recommend(C const& ctx, Histories const& histories, MatrixView<float const> user_features,
                 RecommendOptions const& options, MatrixView<NodeId> indices,
                 MatrixView<float> scores) const;
  /// The same for users of the training log.
  template <AnyContext C = HostContext>
  void recommend_users(C const& ctx, VectorView<NodeId const> users,
                       RecommendOptions const& options, MatrixView<NodeId> indices,
                       MatrixView<float> scores) const;
  /// One fresh history, for serving; safe to call from many threads.
  template <AnyContext C = HostContext>
  std::vector<ScoredItem> recommend(C const& ctx, std::span<NodeId const> history,
                                    std::int64_t k) const;
  /// Scores of every item per history, (n, item_count), nothing excluded.
  template <AnyContext C = HostContext>
  void score(C const& ctx, Histories const& histories, MatrixView<float const> user_features,
             MatrixView<float> out) const;
  /// The same for users of the training log.
  template <AnyContext C = HostContext>
  void score_users(C const& ctx, VectorView<NodeId const> users, MatrixView<float> out) const;

  /// The k items nearest to each item by the cosine of their general (HGNN) vectors.
  template <AnyContext C = HostContext>
  void similar_items(C const& ctx, VectorView<NodeId const> items, std::int64_t k,
                     MatrixView<NodeId> indices, MatrixView<float> scores) const;

  /// General vectors (m, hgnn) and tower vectors (m, towers) of items outside the catalogue.
  template <AnyContext C = HostContext>
  void embed_items(C const& ctx, VectorView<NodeTypeId const> new_types,
                   MatrixView<float const> new_features, NewItemLinks const& links,
                   MatrixView<float> general, MatrixView<float> tower) const;
  /// Makes new items retrievable; their dense ids follow those of the catalogue.
  template <AnyContext C = HostContext>
  void add_items(C const& ctx, VectorView<NodeTypeId const> new_types,
                 MatrixView<float const> new_features, NewItemLinks const& links,
                 io::Vocabulary const& ids);

  void save(std::filesystem::path const& directory) const;
  /// Throws IoError for a directory that is missing, damaged, or whose parts do not fit each other.
  static Recommender load(std::filesystem::path const& directory);

  RecommenderConfig const& config() const { return config_; }
  bool fitted() const { return towers_.fitted(); }
  graph::ItemTypes const& types() const { return types_; }
  io::Vocabulary const& items() const { return items_; }
  io::Vocabulary const& users() const { return users_; }
  graph::ItemLinks const& links() const { return links_; }
  graph::CoInteractionReport const& graph_report() const { return graph_report_; }
  TrainingHistory const& hgnn_history() const { return hgnn_history_; }
  TrainingHistory const& tower_history() const { return tower_history_; }
  MatrixView<float const> general_vectors() const { return general_vectors_.view(); }
  MatrixView<float const> tower_vectors() const { return tower_vectors_.view(); }
  MatrixView<float const> item_features() const { return item_features_.view(); }
  MatrixView<float const> user_features() const { return user_features_.view(); }
  /// Types of the items added after training, in the order of their ids.
  std::span<NodeTypeId const> added_types() const { return added_types_; }
  Histories histories() const;

  /// Text that travels with the model, for what a front end must remember (Python: the encoder's
  /// id, columns of the frames). Not interpreted here.
  std::string const& extra() const { return extra_; }
  void set_extra(std::string extra) { extra_ = std::move(extra); }

 private:
  static Recommender read(std::filesystem::path const& directory);
  void expect_fitted(std::string_view function) const;
  template <AnyContext C>
  TrainingHistory train_towers(C const& ctx, TwoTower& towers, graph::InteractionLogView const& log,
                               MatrixView<float const> user_features,
                               ProgressCallback const& progress) const;

  // What follows from trained parts is made aside and then adopted, which cannot fail: an error in
  // between leaves the model as it was.
  struct Searchable {
    Matrix<float> vectors;
    retrieval::ExactIndex index;
    std::shared_ptr<ServingCopies> copies;  // none yet
  };
  /// The catalogue's vectors under `links`.
  template <AnyContext C>
  Searchable general(C const& ctx, graph::ItemLinks const& links) const;
  Searchable general(HostContext const& ctx, Matrix<float> vectors) const;
  void adopt_general(Searchable next) noexcept;
  /// Its vectors out of `towers` from general ones.
  template <AnyContext C>
  Searchable tower(C const& ctx, TwoTower const& towers,
                   MatrixView<float const> general_vectors) const;
  Searchable tower(TwoTower const& towers, Matrix<float> vectors) const;
  void adopt_tower(Searchable next) noexcept;
  /// Forgets items that were added: they are not of this training. `catalogue`: its ids.
  std::optional<io::Vocabulary> catalogue_ids() const;
  void forget_added(std::optional<io::Vocabulary> catalogue) noexcept;
  std::vector<NodeTypeId> catalogue_types() const;

  RecommenderConfig config_;
  graph::ItemTypes types_;
  io::Vocabulary items_;
  io::Vocabulary users_;
  Matrix<float> item_features_;
  Matrix<float> user_features_;
  graph::ItemLinks links_;
  graph::CoInteractionReport graph_report_;
  Hgnn hgnn_;
  TwoTower towers_;
  TrainingHistory hgnn_history_;
  TrainingHistory tower_history_;
  Matrix<float> general_vectors_;
  Matrix<float> tower_vectors_;
  std::shared_ptr<SortedLog const> log_;
  std::string extra_;
  std::vector<NodeTypeId> added_types_;         // of the items added after training
  std::optional<retrieval::ExactIndex> index_;  // tower vectors of all items, added ones too
  std::optional<retrieval::ExactIndex> general_index_;  // unit general vectors of the catalogue
  std::shared_ptr<ServingCopies> copies_;               // on devices, of what is above
};

/// Reads a model directory written in C++ or in Python.
RELWEAVE_API Recommender load_checkpoint(std::filesystem::path const& directory);

}  // namespace relweave::model
