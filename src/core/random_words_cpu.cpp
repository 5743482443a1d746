// Compiled once per instruction set. No std templates here: the linker would merge their weak
// symbols across instruction sets. philox4x32 is written anew for that reason, one stream per lane.

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include <relweave/core/simd.hpp>

#include "random_words_kernel.hpp"

namespace relweave {

namespace {

/// A 32-bit word in every 64-bit lane; what is above it does not matter.
template <std::int64_t L>
using Words = simd::Pack<std::uint64_t, L>;

/// The 64-bit products of the words.
template <std::int64_t L>
[[gnu::always_inline]] inline Words<L> product(Words<L> const& a, std::uint32_t factor) {
#if defined(__AVX512F__)
  if constexpr (L == 8) {
    return (Words<L>)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64(factor));
  }
#endif
#if defined(__AVX2__)
  if constexpr (L == 4) {
    return (Words<L>)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(factor));
  }
#endif
  return (a & 0xFFFFFFFF) * std::uint64_t{factor};
}

template <std::int64_t L>
[[gnu::always_inline]] inline void store_words(std::uint32_t* to, Words<L> const& words) {
  simd::store(to, __builtin_convertvector(words, simd::Pack<std::uint32_t, L>));
}

}  // namespace

template <>
void random_words_kernel<Isa::RELWEAVE_ISA_NAMESPACE>(RandomWords const& a) {
  auto const low = static_cast<std::uint32_t>(a.key);
  auto const high = static_cast<std::uint32_t>(a.key >> 32);
  simd::for_pieces<std::uint64_t, 1>(
      0, a.count, [&]<std::int64_t L, std::int64_t N>(std::int64_t k) {
        auto const index = simd::load<L>(a.indices + k);
        for (std::int64_t block = 0; block < a.blocks; ++block) {
          Words<L> counter[4] = {Words<L>{} + static_cast<std::uint64_t>(block),
                                 Words<L>{} + a.purpose, index, index >> 32};
          std::uint32_t key[2] = {low, high};
          for (int round = 0; round < 10; ++round) {
            auto const p0 = product<L>(counter[0], 0xD2511F53);
            auto const p1 = product<L>(counter[2], 0xCD9E8D57);
            counter[0] = (p1 >> 32) ^ counter[1] ^ key[0];
            counter[1] = p1;
            counter[2] = (p0 >> 32) ^ counter[3] ^ key[1];
            counter[3] = p0;
            key[0] += 0x9E3779B9;
            key[1] += 0xBB67AE85;
          }
          for (std::int64_t w = 0; w < 4; ++w) {
            store_words<L>(a.words + (4 * block + w) * a.stride + k, counter[w]);
          }
        }
      });
}

}  // namespace relweave
