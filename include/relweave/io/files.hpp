#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>

namespace relweave::io {

/// The whole file. Throws IoError with the system's reason.
RELWEAVE_API Buffer<std::byte> read_file(std::filesystem::path const& path);

/// Writes through a temporary file beside `path` and renames it when all bytes are on the disk, so
/// that `path` never holds half of them. Throws IoError; the temporary file is removed.
RELWEAVE_API void write_file(std::filesystem::path const& path,
                             std::span<std::span<std::byte const> const> parts);

}  // namespace relweave::io
