#include "csr_scan.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>

#include <relweave/core/error.hpp>
#include <relweave/core/isa_dispatch.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/workspace.hpp>
#include <relweave/ops/relation_aggregate/fingerprint.hpp>

#include "csr_scan_kernel.hpp"

namespace relweave::ops {

namespace {

constexpr std::int64_t rows_per_block = detail::fingerprint_rows;

/// Of one relation, or of all, in a block of rows.
struct BlockScan {
  EdgeOffset smallest_degree = 0;
  EdgeOffset largest_degree = 0;
  ColumnBounds cols{std::numeric_limits<NodeId>::max(), -1};

  void add_degree(EdgeOffset degree) {
    smallest_degree = std::min(smallest_degree, degree);
    largest_degree = std::max(largest_degree, degree);
  }
  void add(BlockScan const& other) {
    smallest_degree = std::min(smallest_degree, other.smallest_degree);
    largest_degree = std::max(largest_degree, other.largest_degree);
    cols.smallest = std::min(cols.smallest, other.cols.smallest);
    cols.largest = std::max(cols.largest, other.cols.largest);
  }
};

[[noreturn]] void raise_offsets(std::string_view function, EdgeOffset got, std::string const& where,
                                EdgeOffset cols) {
  raise<IndexError>(function, "csr.row_offsets", std::to_string(got) + where,
                    "offsets that do not descend and stay in [0, " + std::to_string(cols) + "]");
}

/// Offsets must be good before anything is read through them.
void check_offsets(std::string_view function, RelationCsrView<> const& csr,
                   VectorView<BlockScan> blocks, HostContext const& ctx) {
  auto const& offsets = csr.row_offsets;
  std::int64_t const rows = offsets.size - 1;
  if (offsets[0] < 0 || offsets[rows] > csr.cols.size) {
    raise_offsets(function, offsets[0] < 0 ? offsets[0] : offsets[rows], "", csr.cols.size);
  }
  parallel_for(ctx, blocks.size, [&](std::int64_t b) {
    std::int64_t const end = std::min((b + 1) * rows_per_block, rows);
    for (std::int64_t row = b * rows_per_block; row < end; ++row) {
      blocks[b].add_degree(offsets[row + 1] - offsets[row]);
    }
  });
  for (std::int64_t b = 0; b < blocks.size; ++b) {
    for (std::int64_t row = b * rows_per_block; blocks[b].smallest_degree < 0; ++row) {
      if (offsets[row + 1] < offsets[row]) {
        raise_offsets(function, offsets[row + 1], " after row " + std::to_string(row),
                      csr.cols.size);
      }
    }
  }
}

}  // namespace

CsrScan scan_csr(HostContext const& ctx, std::string_view function, RelationCsrView<> const& csr,
                 VectorView<MessageRange> ranges, bool fingerprint) {
  std::fill(ranges.begin(), ranges.end(), MessageRange{});
  std::int64_t const rows = csr.n_dst * csr.relations;
  if (rows == 0 && csr.row_offsets.empty()) {
    return {.fingerprint = fingerprint ? detail::fingerprint_of(csr, 0) : 0};
  }
  expect_size(function, "csr.row_offsets", csr.row_offsets, rows + 1);
  Workspace::Scope scratch(scratch_of(ctx));
  std::int64_t const blocks = (rows + rows_per_block - 1) / rows_per_block;
  std::int64_t const kinds = std::max<std::int64_t>(ranges.size, 1);
  auto const scans = scratch.vector<BlockScan>(blocks * kinds);
  std::fill(scans.begin(), scans.end(), BlockScan{});
  check_offsets(function, csr, scans.slice(0, blocks), ctx);

  CsrScan scan{.first_edge = csr.row_offsets[0], .last_edge = csr.row_offsets[rows]};
  BlockScan all;
  for (BlockScan const& block : scans.slice(0, blocks)) {
    all.add(block);
  }
  scan.largest_degree = all.largest_degree;

  EdgeOffset const* const offsets = csr.row_offsets.data;
  auto const fingerprints = scratch.vector<std::uint64_t>(fingerprint ? blocks : 0);
  auto* const bounds_of = with_isa(ctx, []<Isa isa>() { return &column_bounds<isa>; });
  parallel_for(ctx, blocks, [&](std::int64_t b) {
    std::int64_t const begin = b * rows_per_block;
    std::int64_t const end = std::min(begin + rows_per_block, rows);
    if (fingerprint) {
      fingerprints[b] = detail::fingerprint_part(csr, b);
    }
    if (kinds == 1) {  // as if they were one row
      EdgeOffset const ends[] = {offsets[begin], offsets[end]};
      scans[b].cols = bounds_of(ends, csr.cols.data, 0, 1, 1, scans[b].cols);
      return;
    }
    for (std::int64_t k = 0; k < kinds; ++k) {
      std::int64_t const first = begin + (k - begin % kinds + kinds) % kinds;  // relation k's
      ColumnBounds& bounds = scans[b * kinds + k].cols;
      bounds = bounds_of(offsets, csr.cols.data, first, kinds, end, bounds);
    }
  });
  for (std::int64_t k = 0; k < kinds; ++k) {
    BlockScan all_blocks;
    for (std::int64_t b = 0; b < blocks; ++b) {
      all_blocks.add(scans[b * kinds + k]);
    }
    ColumnBounds const cols = all_blocks.cols;
    if (cols.smallest < 0 || cols.largest >= csr.message_rows) {
      expect_indices(function, "csr.cols",
                     csr.cols.slice(scan.first_edge, scan.last_edge - scan.first_edge),
                     csr.message_rows);
    }
    if (!ranges.empty() && cols.largest >= 0) {
      ranges[k] = {cols.smallest, cols.largest + 1};
    }
  }
  if (fingerprint) {
    scan.fingerprint = detail::fingerprint_of(
        csr, std::accumulate(fingerprints.begin(), fingerprints.end(), std::uint64_t{0}));
  }
  return scan;
}

}  // namespace relweave::ops
