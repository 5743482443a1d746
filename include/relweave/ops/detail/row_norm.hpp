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
template <typename T, typename C = Compute<T>>
C dot(T const* x, T const* y, std::int64_t d) {
  constexpr std::int64_t L = simd::lanes<T>;
  simd::Vec<C> totals = {};
  std::int64_t f = 0;
  for (; f + L <= d; f += L) {
    totals += simd::load<L>(x + f) * simd::load<L>(y + f);
  }
  C total = 0;
  for (std::int64_t l = 0; l < L; ++l) {
    total += totals[l];
  }
  for (; f < d; ++f) {
    total += (simd::load<1>(x + f) * simd::load<1>(y + f))[0];
  }
  return total;
}

template <typename From, typename To>
void divide_row(From const* from, Compute<From> by, std::int64_t d, To* to) {
  simd::for_pieces<From, 1>(0, d, [&]<std::int64_t L, std::int64_t N>(std::int64_t f) {
    simd::store(to + f, simd::load<L>(from + f) / by);
  });
}

/// Writes a row divided by its L2 norm, zeros as they are, and returns the norm. `to` may be
/// `from`. Right for every finite row; the returned norm is infinite where C does not hold it.
template <typename From, typename To, typename C = Compute<From>>
C normalize_row(From const* from, std::int64_t d, To* to) {
  C const squares = dot(from, from, d);
  if ((squares > smallest_safe_square<C> && squares - squares == 0) || squares != squares) {
    C const norm = square_root(squares);
    divide_row(from, norm, d, to);
    return norm;
  }
  C largest = 0;
  for (std::int64_t f = 0; f < d; ++f) {
    C const value = simd::load<1>(from + f)[0];
    C const size = value < 0 ? -value : value;
    largest = size > largest ? size : largest;
  }
  if (largest == 0 || largest - largest != 0) {  // all zero, or infinite
    divide_row(from, largest == 0 ? C{1} : largest, d, to);
    return largest;
  }
  C scaled_squares = 0;
  for (std::int64_t f = 0; f < d; ++f) {
    C const scaled = simd::load<1>(from + f)[0] / largest;
    scaled_squares += scaled * scaled;
  }
  C const norm = square_root(scaled_squares);
  simd::for_pieces<From, 1>(0, d, [&]<std::int64_t L, std::int64_t N>(std::int64_t f) {
    simd::store(to + f, simd::load<L>(from + f) / largest / norm);
  });
  return largest * norm;
}

/// Writes the gradient in a row whose norm was `norm` and that became `y`, from that in y: none for
/// a norm of 0. `to` may be either.
template <typename T, typename C = Compute<T>>
void normalize_row_backward(T const* y, C norm, T const* grad_y, std::int64_t d, T* to) {
  C const along = dot(y, grad_y, d);  // the part of grad_y that only changes the norm
  C const scale = 1 / norm;
  bool const divide = scale - scale != 0;  // a subnormal norm: its reciprocal overflows
  simd::for_pieces<T, 1>(0, d, [&]<std::int64_t L, std::int64_t N>(std::int64_t f) {
    auto const across = simd::load<L>(grad_y + f) - simd::load<L>(y + f) * along;
    simd::store(to + f, norm == 0 ? simd::Pack<C, L>{} : divide ? across / norm : across * scale);
  });
}

}  // namespace RELWEAVE_ISA_NAMESPACE
}  // namespace relweave::ops::cpu
