#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace relweave::model {

/// Where a training loop stands, passed to the ProgressCallback after every step.
struct Progress {
  std::string_view stage;   ///< "graph", "hgnn" or "towers"
  std::int64_t epoch = 0;   ///< current epoch, from 0
  std::int64_t epochs = 0;  ///< at most this many
  std::int64_t step = 0;    ///< steps done in this epoch
  std::int64_t steps = 0;   ///< steps of this epoch
  double loss = 0;          ///< mean over the epoch so far
};

/// Called from the training thread between steps. Returning false stops the training in a usable
/// state: the best (or last) parameters are kept and the history says `interrupted`.
using ProgressCallback = std::function<bool(Progress const&)>;

struct EpochRecord {
  double loss = 0;        ///< mean training loss
  double validation = 0;  ///< HGNN: share of held-out links ranked above a random pair (AUC)
  double seconds = 0;
  std::int64_t examples = 0;  ///< links or interactions
};

struct TrainingHistory {
  std::vector<EpochRecord> epochs;
  std::int64_t best_epoch = -1;
  bool interrupted = false;
};

}  // namespace relweave::model
