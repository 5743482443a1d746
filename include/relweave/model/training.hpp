#pragma once

#include <cstdint>
#include <vector>

#include <relweave/core/progress.hpp>

namespace relweave::model {

using relweave::Progress;
using relweave::ProgressCallback;

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
