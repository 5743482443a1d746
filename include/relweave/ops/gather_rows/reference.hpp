#pragma once

#include <vector>

#include <relweave/ops/gather_rows/gather_rows.hpp>

namespace relweave::ops::reference {

/// gather_rows on one thread.
template <Scalar T>
void gather_rows(In<MatrixView<T const>> x, In<VectorView<NodeId const>> indices,
                 MatrixView<T> out) {
  for (std::int64_t i = 0; i < indices.size; ++i) {
    for (std::int64_t f = 0; f < out.cols; ++f) {
      out(i, f) = x(indices[i], f);
    }
  }
}

/// scatter_rows on one thread, accumulating in double.
template <Scalar T>
void scatter_rows(In<MatrixView<T const>> x, In<VectorView<NodeId const>> indices,
                  MatrixView<T> out) {
  std::vector<double> sums(static_cast<std::size_t>(out.rows));
  for (std::int64_t f = 0; f < out.cols; ++f) {
    for (std::int64_t j = 0; j < out.rows; ++j) {
      sums[static_cast<std::size_t>(j)] = out(j, f);
    }
    for (std::int64_t i = 0; i < indices.size; ++i) {
      sums[static_cast<std::size_t>(indices[i])] += x(i, f);
    }
    for (std::int64_t j = 0; j < out.rows; ++j) {
      out(j, f) = static_cast<T>(sums[static_cast<std::size_t>(j)]);
    }
  }
}

}  // namespace relweave::ops::reference
