#pragma once

#include <relweave/core/simd.hpp>
#include <relweave/ops/top_k/kernels.hpp>

namespace relweave::ops::cpu {
inline namespace RELWEAVE_ISA_NAMESPACE {

/// True if any of N packs from x on holds a value above the threshold.
template <std::int64_t N, typename T>
[[gnu::always_inline]] inline bool any_above(T const* x, Compute<T> threshold) {
  simd::IndexVec<Compute<T>> above = {};
  for (std::int64_t v = 0; v < N; ++v) {
    above |= simd::load<simd::lanes<T>>(x + v * simd::lanes<T>) > threshold;
  }
  std::uint64_t words[simd::vector_bytes / 8];
  __builtin_memcpy(words, &above, sizeof(words));
  std::uint64_t any = 0;
  for (std::uint64_t const word : words) {
    any |= word;
  }
  return any != 0;
}

template <typename T>
std::int64_t first_above(T const* scores, std::int64_t begin, std::int64_t n,
                         Compute<T> threshold) {
  constexpr std::int64_t L = simd::lanes<T>;
  constexpr std::int64_t packs = 4;
  auto const above = [=](T score) { return static_cast<Compute<T>>(score) > threshold; };
  if (begin < n && above(scores[begin])) {
    return begin;  // while the places fill, and where scores rise along the row
  }
  std::int64_t c = begin;
  while (c + packs * L <= n && !any_above<packs>(scores + c, threshold)) {
    c += packs * L;
  }
  while (c + L <= n && !any_above<1>(scores + c, threshold)) {
    c += L;
  }
  while (c < n && !above(scores[c])) {
    ++c;
  }
  return c;
}

}  // namespace RELWEAVE_ISA_NAMESPACE
}  // namespace relweave::ops::cpu
