#pragma once

#include <cstdint>

#include <relweave/core/context.hpp>
#include <relweave/core/isa.hpp>
#include <relweave/core/isa_dispatch.hpp>
#include <relweave/core/types.hpp>

namespace relweave::sampling {

/// Rows to draw: `count` different ones of `size` candidates each, count < size.
struct RowsToDraw {
  std::int64_t rows;
  NodeId const* const* from;
  std::uint32_t const* sizes;
  std::uint32_t const* counts;
  NodeId* const* to;
  std::uint32_t const* words;  ///< random: word w of row k at words[w * rows + k]
  std::uint32_t word_count;    ///< of each row
  bool* drawn;                 ///< per row
};

/// Rows with more candidates are not drawn by draw_rows.
inline constexpr std::uint32_t most_candidates = 64;

/// Draws rows by Floyd's algorithm as choose() in neighbor_rows.cpp, the same numbers, and says
/// which: not those with too many candidates, too few words, or a number that may be rejected.
/// Defined once per instruction set, in draw_rows_cpu.cpp.
template <Isa isa>
void draw_rows(RowsToDraw const& a);

}  // namespace relweave::sampling
