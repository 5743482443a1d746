#include <relweave/core/random_words.hpp>

#include <relweave/core/error.hpp>
#include <relweave/core/isa_dispatch.hpp>

#include "random_words_kernel.hpp"

namespace relweave {

void random_words(HostContext const& ctx, std::uint64_t seed, Purpose purpose,
                  VectorView<std::uint64_t const> indices, MatrixView<std::uint32_t> words) {
  if (words.rows % 4 != 0 || words.cols != indices.size) {
    raise<ShapeError>("random_words", "words", "shape " + shape_string(words.rows, words.cols),
                      "shape (a multiple of 4, " + std::to_string(indices.size) + ")");
  }
  RandomWords const arguments{.key = seed,
                              .purpose = static_cast<std::uint32_t>(purpose),
                              .indices = indices.data,
                              .count = indices.size,
                              .words = words.data,
                              .stride = words.stride,
                              .blocks = words.rows / 4};
  with_isa(ctx, [&]<Isa isa>() { random_words_kernel<isa>(arguments); });
}

}  // namespace relweave
