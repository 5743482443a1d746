#pragma once

#include <algorithm>
#include <cstdint>

#include <relweave/core/buffer.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::optim {

struct EarlyStoppingConfig {
  std::int64_t patience = 10;  ///< updates without improvement before stopping
  double min_delta = 1e-4;     ///< a smaller improvement is none
};

/// Remembers the parameters with the highest score, and says when to give up.
template <Scalar T>
class EarlyStopping {
 public:
  explicit EarlyStopping(EarlyStoppingConfig const& config) : config_(config) {}

  /// Call once per epoch; false: stop.
  bool update(double score, In<VectorView<T const>> parameters) {
    if (best_epoch_ < 0 || score > best_score_ + config_.min_delta) {
      best_score_ = score;
      best_epoch_ = epoch_;
      best_ = Buffer<T>::copy_of({parameters.data, static_cast<std::size_t>(parameters.size)});
    }
    return epoch_++ - best_epoch_ < config_.patience;
  }

  /// Puts the best parameters back. Call after at least one update.
  void restore(VectorView<T> parameters) const {
    auto const best = best_.view();
    std::copy(best.begin(), best.end(), parameters.begin());
  }

  std::int64_t best_epoch() const { return best_epoch_; }

 private:
  EarlyStoppingConfig config_;
  double best_score_ = 0;
  std::int64_t best_epoch_ = -1;
  std::int64_t epoch_ = 0;
  Buffer<T> best_;
};

}  // namespace relweave::optim
