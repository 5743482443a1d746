#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include <relweave/core/types.hpp>

#include "pages.hpp"

namespace relweave::graph {

/// How often one item met each of the others: a counter per item, and which counters are not zero.
class NeighborCounts {
 public:
  static constexpr std::int64_t bytes_per_item = 3 * sizeof(std::int32_t);

  explicit NeighborCounts(std::int64_t items)
      : count_(items), met_(items + 1), repeated_(items + 1) {}

  void add(NodeId j) {
    std::int32_t const before = count_[j]++;
    // Written always, kept sometimes: a branch would be guessed wrong too often.
    met_[met_size_] = j;
    met_size_ += before == 0 ? 1 : 0;
    repeated_[repeated_size_] = j;
    repeated_size_ += before == 1 ? 1 : 0;
  }
  void add(NodeId j, std::int32_t times) {
    std::int32_t& count = count_[j];
    met_[met_size_] = j;
    met_size_ += count == 0 ? 1 : 0;
    repeated_[repeated_size_] = j;
    repeated_size_ += count < 2 && count + times >= 2 ? 1 : 0;
    count += times;
  }
  void clear() {
    if (met_size_ > count_.size() / 8) {
      std::fill(count_.begin(), count_.end(), 0);
    } else {
      for (NodeId const j : met()) {
        count_[j] = 0;
      }
    }
    met_size_ = 0;
    repeated_size_ = 0;
  }

  std::int32_t of(NodeId j) const { return count_[j]; }
  /// The items with a count, in no order.
  std::span<NodeId const> met() const { return {met_.data(), static_cast<std::size_t>(met_size_)}; }
  /// Those with a count of two or more.
  std::span<NodeId const> repeated() const {
    return {repeated_.data(), static_cast<std::size_t>(repeated_size_)};
  }

 private:
  Pages<std::int32_t> count_;
  Pages<NodeId> met_;
  Pages<NodeId> repeated_;
  std::int64_t met_size_ = 0;
  std::int64_t repeated_size_ = 0;
};

}  // namespace relweave::graph
