// Compiled once per instruction set. No std templates here: the linker would merge their weak
// symbols across instruction sets.

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include <relweave/core/simd.hpp>

#include "draw_rows.hpp"

namespace relweave::sampling {

namespace {

template <std::int64_t L>
using Lanes = simd::Pack<std::uint64_t, L>;

template <std::int64_t L>
[[gnu::always_inline]] inline Lanes<L> widened(std::uint32_t const* from) {
  return __builtin_convertvector(simd::load<L>(from), Lanes<L>);
}

/// Elements of `from` whose bits are set, in their order.
[[gnu::always_inline]] inline void copy_chosen(NodeId const* from, std::uint64_t mask, NodeId* to) {
#if defined(__AVX512F__)
  for (; mask != 0; mask >>= 16, from += 16) {
    auto const some = static_cast<__mmask16>(mask);
    int const count = __builtin_popcount(some);
    _mm512_mask_storeu_epi32(
        to, static_cast<__mmask16>((1U << count) - 1),
        _mm512_maskz_compress_epi32(some, _mm512_maskz_loadu_epi32(some, from)));
    to += count;
  }
#else
  for (; mask != 0; mask &= mask - 1) {
    *to++ = from[__builtin_ctzll(mask)];
  }
#endif
}

/// N packs of L rows: their steps depend on each other, those of another pack fill the gaps.
template <std::int64_t L, std::int64_t N>
[[gnu::always_inline]] inline void draw(RowsToDraw const& a, std::int64_t k) {
  std::uint32_t most = 0;
  for (std::int64_t row = k; row < k + L * N; ++row) {
    most = a.counts[row] > most ? a.counts[row] : most;
  }
  most = most < a.word_count ? most : a.word_count;
  simd::Packs<std::uint64_t, L, N> size, last, skipped;
  simd::Packs<std::uint64_t, L, N> chosen;  // a bit per candidate
  for (std::int64_t v = 0; v < N; ++v) {
    auto const count = widened<L>(a.counts + k + v * L);
    size[v] = widened<L>(a.sizes + k + v * L);
    last[v] = size[v] - count;
    chosen[v] = Lanes<L>{};
    skipped[v] = reinterpret_cast<Lanes<L>>((size[v] > most_candidates) | (count > a.word_count));
  }
  for (std::uint32_t w = 0; w < most; ++w) {
    for (std::int64_t v = 0; v < N; ++v) {
      auto const product = widened<L>(a.words + w * a.rows + k + v * L) * (last[v] + 1);
      auto const wanted = last[v] < size[v];
      skipped[v] |= reinterpret_cast<Lanes<L>>(wanted & ((product & 0xFFFFFFFF) <= last[v]));
      Lanes<L> const pick = (product >> 32) & 63;
      auto const taken = ((chosen[v] >> pick) & 1) != 0;
      chosen[v] |= wanted ? (Lanes<L>{} + 1) << (taken ? last[v] & 63 : pick) : Lanes<L>{};
      last[v] += 1;
    }
  }
  for (std::int64_t row = k; row < k + L * N; ++row) {
    std::int64_t const v = (row - k) / L;
    std::int64_t const l = (row - k) % L;
    a.drawn[row] = skipped[v][l] == 0;
    if (a.drawn[row]) {
      copy_chosen(a.from[row], chosen[v][l], a.to[row]);
    }
  }
}

}  // namespace

template <>
void draw_rows<Isa::RELWEAVE_ISA_NAMESPACE>(RowsToDraw const& a) {
  simd::for_pieces<std::uint64_t, 2>(
      0, a.rows, [&]<std::int64_t L, std::int64_t N>(std::int64_t k) { draw<L, N>(a, k); });
}

}  // namespace relweave::sampling
