#pragma once

#include <cstdint>
#include <cstring>

namespace relweave::simd {

/// 64 bytes of T as one value: a register with AVX-512, two with AVX2, four with SSE. Code written
/// with it compiles for each of them; the compiler never sees a loop over edges to "vectorise" with
/// gathers, which g++ 12 does at a third to a fifth of the speed.
template <typename T>
struct VecOf;

template <>
struct VecOf<float> {
  using Value = float __attribute__((vector_size(64)));
  using Index = std::int32_t __attribute__((vector_size(64)));
};

template <>
struct VecOf<double> {
  using Value = double __attribute__((vector_size(64)));
  using Index = std::int64_t __attribute__((vector_size(64)));
};

template <typename T>
using Vec = typename VecOf<T>::Value;

/// Signed integers of T's width, as comparisons of Vec<T> give them.
template <typename T>
using IndexVec = typename VecOf<T>::Index;

template <typename T>
inline constexpr std::int64_t lanes = 64 / sizeof(T);

}  // namespace relweave::simd
