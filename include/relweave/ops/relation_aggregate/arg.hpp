#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <relweave/core/types.hpp>

namespace relweave::ops::detail {

/// Slot of a row without edges, at any width once truncated.
inline constexpr std::uint32_t no_arg = 0xFFFFFFFF;

/// Bytes that hold the slots of a row of `degree` edges and the sentinel.
constexpr int arg_width_of(EdgeOffset degree) {
  return degree <= 0xFE ? 1 : degree <= 0xFFFE ? 2 : 4;
}

constexpr std::uint32_t no_arg_of(int width) {
  return no_arg >> (32 - 8 * width);
}

/// Element `i` of an array of unsigned integers of `width` bytes.
inline std::uint32_t load_arg(std::byte const* arg, int width, std::int64_t i) {
  if (width == 1) {
    return static_cast<std::uint32_t>(arg[i]);
  }
  if (width == 2) {
    std::uint16_t value;
    std::memcpy(&value, arg + 2 * i, sizeof(value));
    return value;
  }
  std::uint32_t value;
  std::memcpy(&value, arg + 4 * i, sizeof(value));
  return value;
}

inline void store_arg(std::byte* arg, int width, std::int64_t i, std::uint32_t value) {
  if (width == 1) {
    arg[i] = static_cast<std::byte>(value);
  } else if (width == 2) {
    auto const narrow = static_cast<std::uint16_t>(value);
    std::memcpy(arg + 2 * i, &narrow, sizeof(narrow));
  } else {
    std::memcpy(arg + 4 * i, &value, sizeof(value));
  }
}

}  // namespace relweave::ops::detail
