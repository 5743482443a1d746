// Compiled once per instruction set. No std templates here: the linker would merge their weak
// symbols across instruction sets.

#include "csr_scan_kernel.hpp"

#include <relweave/core/simd.hpp>

namespace relweave::ops {

template <>
ColumnBounds column_bounds<Isa::RELWEAVE_ISA_NAMESPACE>(EdgeOffset const* offsets,
                                                        NodeId const* cols, std::int64_t first,
                                                        std::int64_t step, std::int64_t end,
                                                        ColumnBounds bounds) {
  constexpr std::int64_t L = simd::lanes<NodeId>;
  simd::Vec<NodeId> smallest = bounds.smallest - simd::Vec<NodeId>{};
  simd::Vec<NodeId> largest = bounds.largest - simd::Vec<NodeId>{};
  auto const add = [&](NodeId const* from) {
    auto const some = simd::load<L>(from);
    smallest = some < smallest ? some : smallest;
    largest = some > largest ? some : largest;
  };
  for (std::int64_t row = first; row < end; row += step) {
    NodeId const* col = cols + offsets[row];
    NodeId const* const last = cols + offsets[row + 1];
    if (last - col >= L) {
      for (; col + L <= last; col += L) {
        add(col);
      }
      add(last - L);  // once more what the last pack shares with the one before
    } else {
      for (; col < last; ++col) {
        bounds.smallest = *col < bounds.smallest ? *col : bounds.smallest;
        bounds.largest = *col > bounds.largest ? *col : bounds.largest;
      }
    }
  }
  for (std::int64_t l = 0; l < L; ++l) {
    bounds.smallest = smallest[l] < bounds.smallest ? smallest[l] : bounds.smallest;
    bounds.largest = largest[l] > bounds.largest ? largest[l] : bounds.largest;
  }
  return bounds;
}

}  // namespace relweave::ops
