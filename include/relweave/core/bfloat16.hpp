#pragma once

#include <bit>
#include <cstdint>

#include <relweave/core/config.hpp>

namespace relweave {

/// Storage of a float in its upper 16 bits: the range of float, 8 bits of precision. Arithmetic is
/// done in float; only the conversions are here.
struct alignas(2) bfloat16 {
  std::uint16_t bits;

  bfloat16() = default;
  /// Rounds to nearest, ties to even; NaN stays NaN.
  RELWEAVE_HOST_DEVICE constexpr explicit bfloat16(float value) : bits(rounded(value)) {}
  RELWEAVE_HOST_DEVICE constexpr explicit operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }

 private:
  RELWEAVE_HOST_DEVICE static constexpr std::uint16_t rounded(float value) {
    auto const word = std::bit_cast<std::uint32_t>(value);
    if ((word & 0x7FFFFFFFU) > 0x7F800000U) {
      return static_cast<std::uint16_t>((word >> 16) | 0x40U);  // quiet, whatever its payload
    }
    return static_cast<std::uint16_t>((word + 0x7FFFU + ((word >> 16) & 1U)) >> 16);
  }
};

static_assert(sizeof(bfloat16) == 2);

}  // namespace relweave
