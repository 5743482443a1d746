#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace relweave {

/// Where a long call stands, passed to the ProgressCallback after every step.
struct Progress {
  std::string_view stage;   ///< "graph", "hgnn" or "towers"
  std::int64_t epoch = 0;   ///< current epoch, from 0
  std::int64_t epochs = 0;  ///< at most this many; 1 in the stage "graph"
  std::int64_t step = 0;    ///< steps done in this epoch
  std::int64_t steps = 0;   ///< steps of this epoch
  double loss = 0;          ///< mean over the epoch so far; 0 in the stage "graph"
};

/// Called from the calling thread between steps. Returning false stops a training in a usable
/// state: the best (or last) parameters are kept and the history says `interrupted`. A graph that
/// is not complete is of no use: there it throws StoppedError.
using ProgressCallback = std::function<bool(Progress const&)>;

}  // namespace relweave
