#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <relweave/ops/pair_score/pair_score.hpp>

namespace relweave::ops::reference {

/// pair_score on one thread, accumulating in double.
template <Scalar T>
void pair_score(In<MatrixView<T const>> a, In<VectorView<NodeId const>> a_rows,
                In<MatrixView<T const>> b, In<VectorView<NodeId const>> b_rows, VectorView<T> out) {
  for (std::int64_t p = 0; p < out.size; ++p) {
    double score = 0;
    for (std::int64_t f = 0; f < a.cols; ++f) {
      score += static_cast<double>(a(a_rows[p], f)) * static_cast<double>(b(b_rows[p], f));
    }
    out[p] = static_cast<T>(score);
  }
}

/// pair_score_backward on one thread, accumulating in double.
template <Scalar T>
void pair_score_backward(In<MatrixView<T const>> a, In<VectorView<NodeId const>> a_rows,
                         In<MatrixView<T const>> b, In<VectorView<NodeId const>> b_rows,
                         In<VectorView<T const>> grad_out, MatrixView<T> grad_a,
                         MatrixView<T> grad_b) {
  std::vector<double> a_sums(static_cast<std::size_t>(a.rows));
  std::vector<double> b_sums(static_cast<std::size_t>(b.rows));
  for (std::int64_t f = 0; f < a.cols; ++f) {
    std::fill(a_sums.begin(), a_sums.end(), 0.0);
    std::fill(b_sums.begin(), b_sums.end(), 0.0);
    for (std::int64_t p = 0; p < grad_out.size; ++p) {
      if (grad_out[p] != 0) {
        auto const g = static_cast<double>(grad_out[p]);
        a_sums[static_cast<std::size_t>(a_rows[p])] += g * static_cast<double>(b(b_rows[p], f));
        b_sums[static_cast<std::size_t>(b_rows[p])] += g * static_cast<double>(a(a_rows[p], f));
      }
    }
    for (std::int64_t j = 0; j < a.rows; ++j) {
      grad_a(j, f) = static_cast<T>(grad_a(j, f) + a_sums[static_cast<std::size_t>(j)]);
    }
    for (std::int64_t j = 0; j < b.rows; ++j) {
      grad_b(j, f) = static_cast<T>(grad_b(j, f) + b_sums[static_cast<std::size_t>(j)]);
    }
  }
}

}  // namespace relweave::ops::reference
