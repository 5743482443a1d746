#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <relweave/core/random.hpp>

namespace relweave::graph {

/// Ranks 0 .. n - 1 with probability proportional to (rank + 1)^-exponent.
class Zipf {
 public:
  Zipf(std::int64_t n, double exponent) {
    double total = 0;
    for (std::int64_t k = 0; k < n; ++k) {
      total += std::pow(static_cast<double>(k + 1), -exponent);
      cumulative_.push_back(total);
    }
  }

  bool empty() const { return cumulative_.empty(); }

  std::int64_t operator()(RandomStream& random) const {
    double const u = random.uniform() * cumulative_.back();
    auto const found = std::upper_bound(cumulative_.begin(), cumulative_.end(), u);
    return std::min(found - cumulative_.begin(), std::ssize(cumulative_) - 1);
  }

 private:
  std::vector<double> cumulative_;
};

}  // namespace relweave::graph
