#pragma once

#include <cstddef>
#include <span>
#include <string>

#include <relweave/core/config.hpp>

namespace relweave::io {

/// SHA-256 of the bytes as 64 hexadecimal digits, what `sha256sum` prints. Source: FIPS 180-4.
RELWEAVE_API std::string sha256(std::span<std::byte const> bytes);

}  // namespace relweave::io
