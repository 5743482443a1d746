#include <catch2/catch.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <relweave/core/bfloat16.hpp>
#include <relweave/core/simd.hpp>

#include <support/rounded.hpp>

using namespace relweave;
using namespace relweave::test;

// Registers of other widths are tested through the operations, for each instruction set.

TEMPLATE_TEST_CASE_SIG("a pack of every bfloat16 is its floats", "[core][simd]",
                       ((std::size_t L), L), 1, 2, 4) {
  std::array<bfloat16, L> stored;
  std::array<float, L> floats;
  for (std::uint32_t first = 0; first < 0x10000; first += L) {
    for (std::uint32_t l = 0; l < L; ++l) {
      stored[l].bits = static_cast<std::uint16_t>(first + l);
    }

    simd::store(floats.data(), simd::load<std::int64_t{L}>(stored.data()));

    for (std::uint32_t l = 0; l < L; ++l) {
      REQUIRE(std::bit_cast<std::uint32_t>(floats[l]) == (first + l) << 16);
    }
  }
}

TEMPLATE_TEST_CASE_SIG("a pack of floats is stored as bfloat16(float) rounds", "[core][simd]",
                       ((std::size_t L), L), 1, 2, 4) {
  std::vector<float> const floats = floats_to_round();
  std::array<bfloat16, L> stored;
  for (std::size_t first = 0; first < floats.size(); first += L) {
    simd::store(stored.data(), simd::load<std::int64_t{L}>(floats.data() + first));

    for (std::size_t l = 0; l < L; ++l) {
      REQUIRE(stored[l].bits == bfloat16(floats[first + l]).bits);
    }
  }
}

TEST_CASE("bfloat16 rounds to nearest, ties to even, and keeps NaN", "[core][simd]") {
  auto const rounded = [](std::uint32_t word) { return bfloat16(std::bit_cast<float>(word)).bits; };

  CHECK(rounded(0x3F80'7FFF) == 0x3F80);
  CHECK(rounded(0x3F80'8000) == 0x3F80);  // a tie: to even
  CHECK(rounded(0x3F81'8000) == 0x3F82);
  CHECK(rounded(0x3F80'8001) == 0x3F81);
  CHECK(rounded(0x7F7F'FFFF) == 0x7F80);  // the largest float is beyond the largest bfloat16
  CHECK(rounded(0x0000'8001) == 0x0001);  // subnormals are kept
  CHECK(rounded(0x7F80'0001) == 0x7FC0);  // NaN, not infinity
  CHECK(rounded(0xFFFF'FFFF) == 0xFFFF);
}
