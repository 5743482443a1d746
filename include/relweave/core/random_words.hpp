#pragma once

#include <cstdint>

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/random.hpp>
#include <relweave/core/views.hpp>

namespace relweave {

/// The first words of many streams at once, by vectors of ctx's instruction set: words(w, k) is the
/// w-th word of RandomStream(seed, purpose, indices[k]). Runs on the calling thread: tasks call it.
/// Shapes:      words (4 blocks, indices.size), with any number of blocks.
/// Throws:      ShapeError for other shapes.
RELWEAVE_API void random_words(HostContext const& ctx, std::uint64_t seed, Purpose purpose,
                               VectorView<std::uint64_t const> indices,
                               MatrixView<std::uint32_t> words);

}  // namespace relweave
