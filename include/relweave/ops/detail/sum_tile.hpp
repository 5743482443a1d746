#pragma once

#include <cstdint>

namespace relweave::ops {

/// The part of a matrix that one task sums up: `cols` columns from `first_col` on, rows from
/// `first_row` on, wherever that memory lies.
template <typename T>
struct SumTile {
  T* sums;
  std::int64_t stride;
  std::int64_t first_row;
  std::int64_t first_col;
  std::int64_t cols;
};

}  // namespace relweave::ops
