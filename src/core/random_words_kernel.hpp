#pragma once

#include <cstdint>

#include <relweave/core/isa.hpp>

namespace relweave {

/// What random_words reads and writes.
struct RandomWords {
  std::uint64_t key;
  std::uint32_t purpose;
  std::uint64_t const* indices;
  std::int64_t count;
  std::uint32_t* words;
  std::int64_t stride;
  std::int64_t blocks;
};

/// Defined once per instruction set, in random_words_cpu.cpp.
template <Isa isa>
void random_words_kernel(RandomWords const& a);

}  // namespace relweave
