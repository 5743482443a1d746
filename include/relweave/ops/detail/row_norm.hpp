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

template <typename T>
void divide_row(T const* from, T by, std::int64_t d, T* to) {
  simd::for_pieces<T, 1>(0, d, [&]<std::int64_t L, std::int64_t N>(std::int64_t f) {
    simd::store(to + f, simd::load<L>(from + f) / by);
  });
}

/// Writes a row divided by its L2 norm, zeros as they are, and returns the norm. `to` may be
/// `from`. Right for every finite row; the returned norm is infinite where T does not hold it.
template <typename T>
T normalize_row(T const* from, std::int64_t d, T* to) {
  T const squares = dot(from, from, d);
  if ((squares > smallest_safe_square<T> && squares - squares == 0) || squares != squares) {
    T const norm = square_root(squares);
    divide_row(from, norm, d, to);
    return norm;
  }
  T largest = 0;
  for (std::int64_t f = 0; f < d; ++f) {
    T const size = from[f] < 0 ? -from[f] : from[f];
    largest = size > largest ? size : largest;
  }
  if (largest == 0 || largest - largest != 0) {  // all zero, or infinite
    divide_row(from, largest == 0 ? T{1} : largest, d, to);
    return largest;
  }
  divide_row(from, largest, d, to);
  T const norm = square_root(dot(to, to, d));
  divide_row(to, norm, d, to);
  return largest * norm;
}

}  // namespace RELWEAVE_ISA_NAMESPACE
}  // namespace relweave::ops::cpu
