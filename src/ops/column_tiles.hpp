#pragma once

#include <algorithm>
#include <cstdint>

#include <relweave/core/context.hpp>
#include <relweave/core/views.hpp>
#include <relweave/core/workspace.hpp>
#include <relweave/ops/detail/sum_tile.hpp>

// Scattered sums without atomics: a task owns some columns of the target, walks all of the input,
// and so adds in its order. Tiles are at least a cache line wide, so that tasks share none.

namespace relweave::ops {

struct ColumnTile {
  std::int64_t first;
  std::int64_t cols;
};

/// One to four cache lines: wide tiles read the lists of indices less often, narrow ones make more
/// tasks.
template <typename T>
std::int64_t column_tile_width(std::int64_t d) {
  constexpr std::int64_t line = 64 / sizeof(T);
  return line * std::clamp<std::int64_t>(d / (16 * line), 1, 4);
}

template <typename T>
std::int64_t column_tile_count(std::int64_t d) {
  return (d + column_tile_width<T>(d) - 1) / column_tile_width<T>(d);
}

template <typename T>
ColumnTile column_tile(std::int64_t tile, std::int64_t d) {
  std::int64_t const width = column_tile_width<T>(d);
  return {tile * width, std::min(width, d - tile * width)};
}

/// Packed sums larger than this would leave the second-level cache, which is what packing is for.
inline constexpr std::int64_t packed_bytes = 2 << 20;

/// Overwrites a tile of rows [first_row, end_row) with the sums that add(SumTile) makes. They are
/// packed meanwhile where they fit a cache: a tile's lines inside a matrix lie a power of two apart
/// as a rule, and such lines compete for a few sets of the cache.
template <typename T, typename Add>
void sum_columns(MatrixView<T> to, std::int64_t first_row, std::int64_t end_row, ColumnTile tile,
                 Add&& add) {
  std::int64_t const rows = end_row - first_row;
  if (rows * tile.cols * static_cast<std::int64_t>(sizeof(T)) > packed_bytes) {
    for (std::int64_t r = first_row; r < end_row; ++r) {
      std::fill_n(to.row_data(r) + tile.first, tile.cols, T{0});
    }
    add(SumTile<T>{to.row_data(first_row) + tile.first, to.stride, first_row, tile.first,
                   tile.cols});
    return;
  }
  Workspace::Scope scratch(scratch_of(HostContext{}));  // of the thread that runs the task
  auto const sums = scratch.matrix<T>(rows, tile.cols);
  std::fill_n(sums.data, rows * tile.cols, T{0});
  add(SumTile<T>{sums.data, sums.stride, first_row, tile.first, tile.cols});
  for (std::int64_t r = 0; r < rows; ++r) {
    std::copy_n(sums.row_data(r), tile.cols, to.row_data(first_row + r) + tile.first);
  }
}

}  // namespace relweave::ops
