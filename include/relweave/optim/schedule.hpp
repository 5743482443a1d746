#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace relweave::optim {

/// Learning rate that falls from `base` to zero along half a cosine over `steps` steps, at least
/// one, and stays there.
/// Source: Loshchilov & Hutter 2017, SGDR, eq. 5 without restarts (arXiv 1608.03983).
struct CosineSchedule {
  double base = 1e-3;
  std::int64_t steps = 1;

  double operator()(std::int64_t step) const {
    double const progress = static_cast<double>(std::min(step, steps)) / static_cast<double>(steps);
    return base * 0.5 * (1 + std::cos(std::numbers::pi * progress));
  }
};

}  // namespace relweave::optim
