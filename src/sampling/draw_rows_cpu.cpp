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

template <std::int64_t L>
[[gnu::always_inline]] inline void draw(RowsToDraw const& a, std::int64_t k) {
  auto const size = widened<L>(a.sizes + k);
  auto const count = widened<L>(a.counts + k);
  std::uint32_t most = 0;
  for (std::int64_t l = 0; l < L; ++l) {
    most = a.counts[k + l] > most ? a.counts[k + l] : most;
  }
  most = most < a.word_count ? most : a.word_count;
  Lanes<L> chosen = {};  // a bit per candidate
  auto skipped = (size > most_candidates) | (count > a.word_count);
  Lanes<L> last = size - count;
  for (std::uint32_t w = 0; w < most; ++w, last += 1) {
    auto const product = widened<L>(a.words + w * a.rows + k) * (last + 1);
    auto const wanted = last < size;
    skipped |= wanted & ((product & 0xFFFFFFFF) <= last);
    Lanes<L> const pick = (product >> 32) & 63;
    auto const taken = ((chosen >> pick) & 1) != 0;
    chosen |= wanted ? (Lanes<L>{} + 1) << (taken ? last & 63 : pick) : Lanes<L>{};
  }
  for (std::int64_t l = 0; l < L; ++l) {
    a.drawn[k + l] = skipped[l] == 0;
    if (a.drawn[k + l]) {
      copy_chosen(a.from[k + l], chosen[l], a.to[k + l]);
    }
  }
}

}  // namespace

template <>
void draw_rows<Isa::RELWEAVE_ISA_NAMESPACE>(RowsToDraw const& a) {
  simd::for_pieces<std::uint64_t, 1>(
      0, a.rows, [&]<std::int64_t L, std::int64_t N>(std::int64_t k) { draw<L>(a, k); });
}

}  // namespace relweave::sampling
