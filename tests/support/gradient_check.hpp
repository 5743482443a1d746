#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include <relweave/core/buffer.hpp>

namespace relweave::test {

/// The gradient of the scalar function `f()` in every element of `x`, by central differences:
/// (f(x + h) - f(x - h)) / 2h. In double, h = 1e-5 leaves an error near 1e-10 for smooth f.
template <typename F>
Matrix<double> numerical_gradient(MatrixView<double> x, F&& f, double h = 1e-5) {
  Matrix<double> gradient(x.rows, x.cols);
  for (std::int64_t r = 0; r < x.rows; ++r) {
    for (std::int64_t c = 0; c < x.cols; ++c) {
      double const value = x(r, c);
      x(r, c) = value + h;
      double const above = f();
      x(r, c) = value - h;
      double const below = f();
      x(r, c) = value;
      gradient.view()(r, c) = (above - below) / (2 * h);
    }
  }
  return gradient;
}

/// sum of a(r, c) b(r, c): a scalar loss with gradient `a` in b.
template <typename T>
double inner_product(MatrixView<T const> a, MatrixView<T const> b) {
  double sum = 0;
  for (std::int64_t r = 0; r < a.rows; ++r) {
    for (std::int64_t c = 0; c < a.cols; ++c) {
      sum += static_cast<double>(a(r, c)) * static_cast<double>(b(r, c));
    }
  }
  return sum;
}

/// The largest |a - b| / max(1, |b|); infinite when the shapes differ or one value alone is NaN.
template <typename T>
double largest_difference(MatrixView<T const> a, MatrixView<T const> b) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (a.rows != b.rows || a.cols != b.cols) {
    return infinity;
  }
  double largest = 0;
  for (std::int64_t r = 0; r < a.rows; ++r) {
    for (std::int64_t c = 0; c < a.cols; ++c) {
      auto const x = static_cast<double>(a(r, c));
      auto const y = static_cast<double>(b(r, c));
      if (std::isnan(x) != std::isnan(y)) {
        return infinity;
      }
      if (x != y && !std::isnan(x)) {
        largest = std::max(largest, std::abs(x - y) / std::max(1.0, std::abs(y)));
      }
    }
  }
  return largest;
}
template <typename T>
double largest_difference(Matrix<T> const& a, Matrix<T> const& b) {
  return largest_difference<T>(a.view(), b.view());
}

/// True when both hold the same bits, NaN and signed zero included.
template <typename T>
bool same_bits(Matrix<T> const& a, Matrix<T> const& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() &&
         (a.empty() || std::memcmp(a.data(), b.data(),
                                   static_cast<std::size_t>(a.rows() * a.cols()) * sizeof(T)) == 0);
}

}  // namespace relweave::test
