#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

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
  using Sum = Compute<T>;

  ColumnTiles(std::int64_t d, std::int64_t rows, std::int64_t parts) : d_(d) {
    packed_ = rounds || rows * line * sum_bytes <= packed_bytes;
    for (width_ = widest; width_ > line; width_ /= 2) {
      bool const fits = !packed_ || rows * width_ * sum_bytes <= packed_bytes;
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
    std::int64_t const first_col = tile * width_;
    MatrixView<T> const target = to.row_slice(first_row, end_row - first_row)
                                     .col_slice(first_col, std::min(width_, d_ - first_col));
    Workspace::Scope scratch(scratch_of(HostContext{}));  // of the thread that runs the task
    MatrixView<Sum> sums;
    if constexpr (!rounds) {
      sums = target;
    }
    if (packed_) {
      sums = scratch.matrix<Sum>(target.rows, target.cols);
    }
    for (std::int64_t r = 0; r < sums.rows; ++r) {
      std::fill_n(sums.row_data(r), sums.cols, Sum{0});
    }
    add(SumTile<Sum>{sums.data, sums.stride, first_row, first_col, sums.cols});
    for (std::int64_t r = 0; packed_ && r < sums.rows; ++r) {
      std::transform(sums.row_data(r), sums.row_data(r) + sums.cols, target.row_data(r),
                     [](Sum sum) { return static_cast<T>(sum); });
    }
  }

 private:
  static constexpr bool rounds = !std::is_same_v<T, Sum>;  // the target cannot hold the sums
  static constexpr std::int64_t sum_bytes = sizeof(Sum);
  static constexpr std::int64_t line = 64 / static_cast<std::int64_t>(sizeof(T));
  static constexpr std::int64_t widest = 4 * 64 / sum_bytes;
  static constexpr std::int64_t least_tasks = 8;

  // The lines of a tile inside a matrix lie a power of two apart as a rule, and compete for a few
  // sets of a cache. So sums are packed where they fit one: 65 against 116 ms for the backward of
  // relation_aggregate's max (see its tuning.hpp).
  static constexpr std::int64_t packed_bytes = 6 << 20;

  std::int64_t d_;
  std::int64_t width_;
  bool packed_;
};

}  // namespace relweave::ops
