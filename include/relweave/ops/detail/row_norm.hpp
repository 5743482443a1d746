#pragma once

#include <relweave/core/simd.hpp>

namespace relweave::ops::cpu {
inline namespace RELWEAVE_ISA_NAMESPACE {

inline float square_root(float x) {
  return __builtin_sqrtf(x);
}
inline double square_root(double x) {
  return __builtin_sqrt(x);
}

/// Below this a sum of squares may have lost terms that matter.
template <typename T>
inline constexpr T smallest_safe_square = T{0};
template <>
inline constexpr float smallest_safe_square<float> = __FLT_MIN__ / __FLT_EPSILON__;
template <>
inline constexpr double smallest_safe_square<double> = __DBL_MIN__ / __DBL_EPSILON__;

/// sum of x[f] y[f], in an order that depends on d alone.
template <typename T>
T dot(T const* x, T const* y, std::int64_t d) {
  constexpr std::int64_t L = simd::lanes<T>;
  simd::Vec<T> totals = {};
  std::int64_t f = 0;
  for (; f + L <= d; f += L) {
    totals += simd::load<L>(x + f) * simd::load<L>(y + f);
  }
  T total = 0;
  for (std::int64_t l = 0; l < L; ++l) {
    total += totals[l];
  }
  for (; f < d; ++f) {
    total += x[f] * y[f];
  }
  return total;
}

/// The L2 norm of d elements, right for every finite row whose norm is finite.
template <typename T>
T row_norm(T const* row, std::int64_t d) {
  T const squares = dot(row, row, d);
  if ((squares > smallest_safe_square<T> && squares - squares == 0) || squares != squares) {
    return square_root(squares);
  }
  T largest = 0;
  for (std::int64_t f = 0; f < d; ++f) {
    T const size = row[f] < 0 ? -row[f] : row[f];
    largest = size > largest ? size : largest;
  }
  if (largest == 0 || largest - largest != 0) {  // all zero, or infinite
    return largest;
  }
  T scaled = 0;
  for (std::int64_t f = 0; f < d; ++f) {
    T const x = row[f] / largest;
    scaled += x * x;
  }
  return largest * square_root(scaled);
}

/// Divides a row by its norm, unless that is zero, and returns the norm.
template <typename T>
T normalize_row(T* row, std::int64_t d) {
  T const norm = row_norm(row, d);
  if (norm != 0) {
    simd::for_pieces<T, 1>(0, d, [&]<std::int64_t L, std::int64_t N>(std::int64_t f) {
      simd::store(row + f, simd::load<L>(row + f) / norm);
    });
  }
  return norm;
}

}  // namespace RELWEAVE_ISA_NAMESPACE
}  // namespace relweave::ops::cpu
