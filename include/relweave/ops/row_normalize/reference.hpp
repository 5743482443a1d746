#pragma once

#include <cmath>

#include <relweave/ops/row_normalize/row_normalize.hpp>

namespace relweave::ops::reference {

/// row_normalize on one thread; squares in long double, whose range holds those of any T.
template <Scalar T>
void row_normalize(In<MatrixView<T const>> x, MatrixView<T> out, In<VectorView<T>> norms = {}) {
  for (std::int64_t i = 0; i < x.rows; ++i) {
    long double squares = 0;
    for (std::int64_t f = 0; f < x.cols; ++f) {
      squares += static_cast<long double>(x(i, f)) * static_cast<long double>(x(i, f));
    }
    long double const norm = std::sqrt(squares);
    for (std::int64_t f = 0; f < x.cols; ++f) {
      out(i, f) = static_cast<T>(norm == 0 ? 0.0L : static_cast<long double>(x(i, f)) / norm);
    }
    if (!norms.empty()) {
      norms[i] = static_cast<T>(norm);
    }
  }
}

/// row_normalize_backward on one thread, accumulating in double.
template <Scalar T>
void row_normalize_backward(In<MatrixView<T const>> out, In<VectorView<T const>> norms,
                            In<MatrixView<T const>> grad_out, MatrixView<T> grad_x) {
  for (std::int64_t i = 0; i < out.rows; ++i) {
    double along = 0;  // the part of grad_out that only changes the norm
    for (std::int64_t f = 0; f < out.cols; ++f) {
      along += static_cast<double>(out(i, f)) * static_cast<double>(grad_out(i, f));
    }
    auto const norm = static_cast<double>(norms[i]);
    for (std::int64_t f = 0; f < out.cols; ++f) {
      double const across =
          static_cast<double>(grad_out(i, f)) - along * static_cast<double>(out(i, f));
      grad_x(i, f) = static_cast<T>(norm == 0 ? 0.0 : across / norm);
    }
  }
}

}  // namespace relweave::ops::reference
