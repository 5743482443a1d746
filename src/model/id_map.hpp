#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include <relweave/core/types.hpp>

namespace relweave::model {

/// Map from the ids in use by one step to their position: open addressing, sized by the ids rather
/// than by the catalogue, and reusable without allocation.
class IdMap {
 public:
  /// Empties the map and makes room for `capacity` different ids.
  void clear(std::size_t capacity) {
    std::size_t const slots = std::bit_ceil(2 * capacity + 1);
    keys_.assign(slots, -1);
    values_.resize(slots);
    mask_ = slots - 1;
  }

  /// True when `id` was not yet in the map.
  bool insert(NodeId id) {
    std::size_t const s = slot(id);
    bool const fresh = keys_[s] < 0;
    keys_[s] = id;
    return fresh;
  }

  bool contains(NodeId id) const { return keys_[slot(id)] >= 0; }

  /// The value of an id that was inserted.
  NodeId& operator[](NodeId id) { return values_[slot(id)]; }

 private:
  std::size_t slot(NodeId id) const {
    // Fibonacci hashing: the golden ratio spreads consecutive ids over the table.
    auto s = static_cast<std::size_t>((static_cast<std::uint64_t>(id) * 0x9E3779B97F4A7C15U) >> 32);
    for (s &= mask_; keys_[s] >= 0 && keys_[s] != id; s = (s + 1) & mask_) {
    }
    return s;
  }

  std::vector<NodeId> keys_;
  std::vector<NodeId> values_;
  std::size_t mask_ = 0;
};

}  // namespace relweave::model
