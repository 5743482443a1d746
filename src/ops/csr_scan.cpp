#include "csr_scan.hpp"

#include <algorithm>
#include <string>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/workspace.hpp>

namespace relweave::ops {

namespace {

constexpr std::int64_t block_size = 1 << 16;

std::int64_t blocks_of(std::int64_t n) {
  return (n + block_size - 1) / block_size;
}

/// The largest degree of some rows, or -1 when their offsets descend.
EdgeOffset largest_degree(EdgeOffset const* offsets, std::int64_t begin, std::int64_t end) {
  EdgeOffset largest = 0;
  EdgeOffset smallest = 0;
  for (std::int64_t row = begin; row < end; ++row) {
    EdgeOffset const degree = offsets[row + 1] - offsets[row];
    largest = std::max(largest, degree);
    smallest = std::min(smallest, degree);
  }
  return smallest < 0 ? -1 : largest;
}

[[noreturn]] void raise_descending(std::string_view function, RelationCsrView<> const& csr) {
  std::int64_t row = 0;
  while (csr.row_offsets[row] <= csr.row_offsets[row + 1]) {
    ++row;
  }
  raise<IndexError>(function, "csr.row_offsets",
                    std::to_string(csr.row_offsets[row + 1]) + " after " +
                        std::to_string(csr.row_offsets[row]) + " at row " + std::to_string(row),
                    "offsets that do not descend");
}

}  // namespace

CsrScan scan_csr(HostContext const& ctx, std::string_view function, RelationCsrView<> const& csr) {
  std::int64_t const rows = csr.n_dst * csr.relations;
  if (rows == 0 && csr.row_offsets.empty()) {
    return {};
  }
  expect_size(function, "csr.row_offsets", csr.row_offsets, rows + 1);
  CsrScan scan{.first_edge = csr.row_offsets[0], .last_edge = csr.row_offsets[rows]};
  if (scan.first_edge < 0 || scan.last_edge > csr.cols.size) {
    raise<IndexError>(
        function, "csr.row_offsets",
        std::to_string(scan.first_edge) + " to " + std::to_string(scan.last_edge),
        "offsets in [0, " + std::to_string(csr.cols.size) + "], the number of csr.cols");
  }

  Workspace::Scope scratch(scratch_of(ctx));
  auto const degrees = scratch.vector<EdgeOffset>(blocks_of(rows));
  parallel_for_blocks(ctx, rows, block_size, [&](std::int64_t begin, std::int64_t end) {
    degrees[begin / block_size] = largest_degree(csr.row_offsets.data, begin, end);
  });
  for (EdgeOffset const degree : degrees) {
    if (degree < 0) {
      raise_descending(function, csr);
    }
    scan.largest_degree = std::max(scan.largest_degree, degree);
  }

  NodeId const* const cols = csr.cols.data + scan.first_edge;
  std::int64_t const edges = scan.last_edge - scan.first_edge;
  auto const largest = scratch.vector<std::uint32_t>(blocks_of(edges));
  parallel_for_blocks(ctx, edges, block_size, [&](std::int64_t begin, std::int64_t end) {
    std::uint32_t top = 0;  // unsigned, so that negative ids are large
    for (std::int64_t e = begin; e < end; ++e) {
      top = std::max(top, static_cast<std::uint32_t>(cols[e]));
    }
    largest[begin / block_size] = top;
  });
  for (std::uint32_t const top : largest) {
    if (static_cast<std::int64_t>(top) >= csr.message_rows) {
      expect_indices(function, "csr.cols", csr.cols.slice(scan.first_edge, edges),
                     csr.message_rows);
    }
  }
  return scan;
}

}  // namespace relweave::ops
