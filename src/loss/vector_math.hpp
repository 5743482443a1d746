#pragma once

#include <cstdint>

#include <relweave/core/simd.hpp>

// Exponentials and logarithms of packs. Eigen's exp of float makes 1e-38 of -infinity, where a
// candidate that is left out must get 0. In double, which references and gradient checks use, these
// are the library's of C, one element at a time.

namespace relweave::loss {
inline namespace RELWEAVE_ISA_NAMESPACE {

/// e^x for x <= 0. In float within 2 ulp, and 0 where the result would be below the smallest normal
/// number. NaN stays NaN.
/// Source: Cephes 2.2, expf.c: the split of log 2 and the polynomial.
template <typename T, std::int64_t L>
[[gnu::always_inline]] inline simd::Pack<T, L> exp_of_negative(simd::Pack<T, L> x) {
  if constexpr (sizeof(T) == 8) {
    for (std::int64_t l = 0; l < L; ++l) {
      x[l] = __builtin_exp(x[l]);
    }
    return x;
  } else {
    constexpr float lowest = -87.33654F;     // log of the smallest normal number
    constexpr float to_integer = 0x1.8p23F;  // what is added to it is rounded to a whole number
    simd::Pack<float, L> const zero = {};
    simd::Pack<float, L> const clamped = x < lowest ? zero + lowest : x;
    simd::Pack<float, L> const shifted = clamped * 1.44269504F + to_integer;
    simd::Pack<float, L> const n = shifted - to_integer;
    simd::Pack<float, L> const r = clamped - n * 0.693359375F + n * 2.12194440e-4F;
    simd::Pack<float, L> p = r * 1.9875691500e-4F + 1.3981999507e-3F;
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    p = p * (r * r) + r + 1.0F;
    using Bits = simd::Pack<std::uint32_t, L>;
    Bits const power = (__builtin_bit_cast(Bits, shifted) << 23) + (127U << 23);  // of 2^n
    return x < lowest ? zero : p * __builtin_bit_cast(decltype(p), power);
  }
}

/// log(1 + x) for x in [0, 1], as 2 atanh(s) with s = x / (2 + x). In float within 2 ulp: a
/// Chebyshev fit of (atanh(s) / s - 1) / s^2 for s^2 up to 1/9, exact to 1e-9. NaN stays NaN.
template <typename T, std::int64_t L>
[[gnu::always_inline]] inline simd::Pack<T, L> log1p_of_fraction(simd::Pack<T, L> x) {
  if constexpr (sizeof(T) == 8) {
    for (std::int64_t l = 0; l < L; ++l) {
      x[l] = __builtin_log1p(x[l]);
    }
    return x;
  } else {
    simd::Pack<float, L> const s = x / (x + 2.0F);
    simd::Pack<float, L> const z = s * s;
    simd::Pack<float, L> p = z * 0.232390508F + 0.217033148F;
    p = p * z + 0.285925835F;
    p = p * z + 0.399997026F;
    p = p * z + 0.666666687F;
    return s * z * p + 2.0F * s;
  }
}

}  // namespace RELWEAVE_ISA_NAMESPACE
}  // namespace relweave::loss
