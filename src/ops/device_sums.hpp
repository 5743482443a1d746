#pragma once

#include <cstdint>

#include <relweave/core/bfloat16.hpp>
#include <relweave/core/buffer.hpp>
#include <relweave/core/types.hpp>
#include <relweave/ops/relation_aggregate/device_csr.hpp>

#include "device_sparse_product.hpp"

// What a DeviceCsr holds for SumBackend::cusparse. Rows of one destination lie back to back, so the
// sum over all its relations is one row of one sparse product, whose offsets are every
// `relations`-th of the csr.

namespace relweave::ops::detail {

/// A number per edge, made by the first pass that needs it.
template <typename T>
struct EdgeValues {
  Buffer<T, Space::device> values;
  bool made = false;
};

template <typename T>
struct SumValues {
  EdgeValues<T> ones;    ///< of a sum, forward and backward
  EdgeValues<T> by_row;  ///< of a mean: 1 / degree of the edge's row, in the order of the csr
  EdgeValues<T> by_col;  ///< the same in the order of the transpose

  void forget() { ones.made = by_row.made = by_col.made = false; }
};

struct DeviceSums {
  EdgeOffset first_edge = 0;
  std::int64_t edges = 0;
  Buffer<std::int32_t, Space::device> row_offsets;  // (n_dst + 1), from 0
  Buffer<std::int32_t, Space::device> col_offsets;  // (message_rows + 1)
  Buffer<NodeId, Space::device> cols;               ///< from first_edge on; empty where that is 0
  DeviceSparseMatrix rows;                          ///< (n_dst, message_rows)
  DeviceSparseMatrix messages;                      ///< its transpose
  SumValues<float> in_float;
  SumValues<bfloat16> in_bfloat16;

  template <typename T>
  SumValues<T>& values() {
    if constexpr (std::is_same_v<T, float>) {
      return in_float;
    } else {
      return in_bfloat16;
    }
  }
};

}  // namespace relweave::ops::detail
