#pragma once

#include <algorithm>
#include <cstdint>

#include <relweave/core/context.hpp>
#include <relweave/core/views.hpp>
#include <relweave/core/workspace.hpp>
#include <relweave/ops/detail/sum_tile.hpp>

// Scattered sums without atomics: a task owns some columns of the target, walks all of the input,
// and so adds in its order. Tiles are whole cache lines wide, so that tasks share none.

namespace relweave::ops {

/// The columns of a target with up to `rows` rows and `d` columns in tiles of one to four cache
/// lines: wide tiles read the lists of indices less often, narrow ones make more tasks. `parts` is
/// the number of row ranges that are split further.
template <typename T>
class ColumnTiles {
 public:
  ColumnTiles(std::int64_t d, std::int64_t rows, std::int64_t parts) : d_(d) {
    packed_ = rows * line * element_bytes <= packed_bytes;
    for (width_ = widest; width_ > line; width_ /= 2) {
      bool const fits = !packed_ || rows * width_ * element_bytes <= packed_bytes;
      if (fits && parts * count() >= least_tasks) {
        break;
      }
    }
  }

  std::int64_t count() const { return (d_ + width_ - 1) / width_; }

  /// Overwrites tile `tile` of rows [first_row, end_row) with the sums that add(SumTile) makes.
  template <typename Add>
  void overwrite(MatrixView<T> to, std::int64_t first_row, std::int64_t end_row, std::int64_t tile,
                 Add&& add) const {
    MatrixView<T> const target = columns(to, tile).row_slice(first_row, end_row - first_row);
    Workspace::Scope scratch(scratch_of(HostContext{}));  // of the thread that runs the task
    MatrixView<T> const sums = packed_ ? scratch.matrix<T>(target.rows, target.cols) : target;
    for (std::int64_t r = 0; r < sums.rows; ++r) {
      std::fill_n(sums.row_data(r), sums.cols, T{0});
    }
    add(SumTile<T>{sums.data, sums.stride, first_row, tile * width_, sums.cols});
    if (packed_) {
      copy(sums, target);
    }
  }

  /// Adds to tile `tile` what add(SumTile) adds.
  template <typename Add>
  void add_to(MatrixView<T> to, std::int64_t tile, Add&& add) const {
    if (!packed_) {
      add(in_place(to, tile));
      return;
    }
    MatrixView<T> const target = columns(to, tile);
    Workspace::Scope scratch(scratch_of(HostContext{}));
    auto const sums = scratch.matrix<T>(target.rows, target.cols);
    copy(target, sums);
    add(SumTile<T>{sums.data, sums.stride, 0, tile * width_, sums.cols});
    copy(sums, target);
  }

  SumTile<T> in_place(MatrixView<T> to, std::int64_t tile) const {
    MatrixView<T> const target = columns(to, tile);
    return {target.data, target.stride, 0, tile * width_, target.cols};
  }

 private:
  static constexpr std::int64_t element_bytes = sizeof(T);
  static constexpr std::int64_t line = 64 / element_bytes;
  static constexpr std::int64_t widest = 4 * line;
  static constexpr std::int64_t least_tasks = 8;

  // The lines of a tile inside a matrix lie a power of two apart as a rule, and compete for a few
  // sets of a cache. So sums are packed where they fit one: 65 against 116 ms for the backward of
  // relation_aggregate's max (see its tuning.hpp).
  static constexpr std::int64_t packed_bytes = 6 << 20;

  MatrixView<T> columns(MatrixView<T> to, std::int64_t tile) const {
    return to.col_slice(tile * width_, std::min(width_, d_ - tile * width_));
  }

  static void copy(MatrixView<T> from, MatrixView<T> to) {
    for (std::int64_t r = 0; r < from.rows; ++r) {
      std::copy_n(from.row_data(r), from.cols, to.row_data(r));
    }
  }

  std::int64_t d_;
  std::int64_t width_;
  bool packed_;
};

}  // namespace relweave::ops
