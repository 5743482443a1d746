#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <relweave/core/types.hpp>

// Kernels are compiled once per instruction set, each time in a namespace of that name, so that the
// linker never merges their templates. Whoever includes a backend header gets the instruction set
// that the file is compiled for.
#if !defined(RELWEAVE_ISA_NAMESPACE)
#define RELWEAVE_ISA_NAMESPACE native
#endif

namespace relweave::simd {
inline namespace RELWEAVE_ISA_NAMESPACE {

/// Bytes of the widest register. Wider vectors compile too, but g++ 12 keeps them in memory: a loop
/// over 64-byte vectors with AVX2 takes thirty times the instructions of one over 32-byte vectors.
#if defined(__AVX512F__)
inline constexpr std::int64_t vector_bytes = 64;
#elif defined(__AVX2__)
inline constexpr std::int64_t vector_bytes = 32;
#else
inline constexpr std::int64_t vector_bytes = 16;
#endif

/// Elements of T in a register, as they are computed with.
template <typename T>
inline constexpr std::int64_t lanes = vector_bytes / static_cast<std::int64_t>(sizeof(Compute<T>));

template <typename T, std::int64_t L>
struct PackOf {
  using Value __attribute__((vector_size(L * sizeof(T)))) = T;
};

/// L elements of T as one value; arithmetic and comparisons work element by element.
template <typename T, std::int64_t L>
using Pack = typename PackOf<T, L>::Value;

template <typename T>
struct IndexOf;
template <>
struct IndexOf<float> {
  using Type = std::int32_t;
};
template <>
struct IndexOf<double> {
  using Type = std::int64_t;
};

/// Signed integers of T's width, as comparisons of Pack<T, L> give them.
template <typename T, std::int64_t L>
using IndexPack = Pack<typename IndexOf<T>::Type, L>;

/// N packs: what a kernel keeps in registers.
template <typename T, std::int64_t L, std::int64_t N>
using Packs = Pack<T, L>[static_cast<std::size_t>(N)];
template <typename T, std::int64_t L, std::int64_t N>
using IndexPacks = IndexPack<T, L>[static_cast<std::size_t>(N)];

template <typename T>
using Vec = Pack<T, lanes<T>>;
template <typename T>
using IndexVec = IndexPack<T, lanes<T>>;

/// L floats whose upper halves are `bits`. Registers beyond 16 bytes interleave with zeros: g++ 12
/// converts to wider integers in two halves, at twice the instructions.
template <std::int64_t L, int... place>
[[gnu::always_inline]] inline Pack<float, L> widen(Pack<std::uint16_t, L> const& bits,
                                                   std::integer_sequence<int, place...>) {
  if constexpr (L * sizeof(float) > 16) {
    return reinterpret_cast<Pack<float, L>>(__builtin_shufflevector(
        Pack<std::uint16_t, L>{}, bits, (place % 2 == 0 ? 0 : int{L} + place / 2)...));
  } else {
    return reinterpret_cast<Pack<float, L>>(__builtin_convertvector(bits, Pack<std::uint32_t, L>)
                                            << 16);
  }
}

/// L elements from p on, bfloat16 as floats.
template <std::int64_t L, typename T>
[[gnu::always_inline]] inline Pack<Compute<T>, L> load(T const* p) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    return widen<L>(load<L>(&p->bits), std::make_integer_sequence<int, 2 * L>{});
  } else {
    Pack<T, L> v;
    __builtin_memcpy(&v, p, sizeof(v));
    return v;
  }
}

template <typename T, typename V>
[[gnu::always_inline]] inline void store(T* p, V const& v) {
  __builtin_memcpy(p, &v, sizeof(v));
}

/// Rounds to nearest, ties to even, and keeps NaN, as bfloat16(float) does.
template <typename V>
[[gnu::always_inline]] inline void store(bfloat16* p, V const& v) {
  constexpr std::int64_t L = sizeof(V) / sizeof(float);
  using Words = Pack<std::uint32_t, L>;
  auto const word = reinterpret_cast<Words>(v);
  Words const nearest = word + 0x7FFFU + ((word >> 16) & 1U);
  Words const rounded = v == v ? nearest : word | 0x400000U;
  store(&p->bits, __builtin_convertvector(rounded >> 16, Pack<std::uint16_t, L>));
}

/// Stores a pack at p, a multiple of its size, past the caches where the processor can do that:
/// what they cannot hold only evicts what is needed next. Others see it after end_streams().
template <typename V>
[[gnu::always_inline]] inline void stream(void* p, V const& v) {
#if defined(__SSE2__)
  if constexpr (sizeof(V) % 16 == 0) {
    using Words = Pack<long long, static_cast<std::int64_t>(sizeof(V)) / 8>;
    auto* const to = static_cast<Words*>(p);
    auto const words = reinterpret_cast<Words>(v);
#if defined(__clang__)
    return __builtin_nontemporal_store(words, to);
#else
#if defined(__AVX512F__)
    if constexpr (sizeof(V) == 64) {
      return __builtin_ia32_movntdq512(to, words);
    }
#endif
#if defined(__AVX__)
    if constexpr (sizeof(V) == 32) {
      return __builtin_ia32_movntdq256(to, words);
    }
#endif
    if constexpr (sizeof(V) == 16) {
      return __builtin_ia32_movntdq(to, words);
    }
#endif
  }
#endif
  __builtin_memcpy(p, &v, sizeof(v));
}

[[gnu::always_inline]] inline void end_streams() {
#if defined(__SSE2__)
  __builtin_ia32_sfence();
#endif
}

/// Fetches `bytes` from p on into the first-level cache.
[[gnu::always_inline]] inline void prefetch(void const* p, std::int64_t bytes) {
  for (std::int64_t line = 0; line < bytes; line += 64) {
    __builtin_prefetch(static_cast<char const*>(p) + line);
  }
}

/// Calls f.operator()<L, N>(first) for pieces [first, first + L N) of [begin, end): as many of
/// `Largest` registers as fit, then each smaller power of two down to one element. What a piece
/// computes stays in registers, and no piece reads or writes beyond its elements.
template <typename T, std::int64_t Largest, std::int64_t L = lanes<T>, typename F>
[[gnu::always_inline]] inline void for_pieces(std::int64_t begin, std::int64_t end, F const& f) {
  for (; begin + L * Largest <= end; begin += L * Largest) {
    f.template operator()<L, Largest>(begin);
  }
  if constexpr (Largest > 1) {
    for_pieces<T, Largest / 2, L>(begin, end, f);
  } else if constexpr (L > 1) {
    for_pieces<T, 1, L / 2>(begin, end, f);
  }
}

}  // namespace RELWEAVE_ISA_NAMESPACE
}  // namespace relweave::simd
