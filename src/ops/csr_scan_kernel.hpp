#pragma once

#include <cstdint>

#include <relweave/core/isa.hpp>
#include <relweave/core/types.hpp>

namespace relweave::ops {

/// The least and the greatest of some columns.
struct ColumnBounds {
  NodeId smallest;
  NodeId largest;
};

/// Widens `bounds` by the columns of rows first, first + step, ... below `end`.
/// Defined once per instruction set, in csr_scan_cpu.cpp.
template <Isa isa>
ColumnBounds column_bounds(EdgeOffset const* offsets, NodeId const* cols, std::int64_t first,
                           std::int64_t step, std::int64_t end, ColumnBounds bounds);

}  // namespace relweave::ops
