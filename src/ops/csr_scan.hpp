#pragma once

#include <cstdint>
#include <string_view>

#include <relweave/core/context.hpp>
#include <relweave/graph/csr.hpp>

namespace relweave::ops {

/// What the partitions need to know of a CSR, and what a cache remembers of it.
struct CsrScan {
  EdgeOffset first_edge = 0;  ///< row_offsets[0]: above 0 when the CSR is a slice of another
  EdgeOffset last_edge = 0;
  EdgeOffset largest_degree = 0;
  std::uint64_t fingerprint = 0;  ///< if asked for; see relation_aggregate/fingerprint.hpp
};

/// The message rows that one relation reads: [begin, end), empty for a relation without edges.
struct MessageRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

/// Checks a CSR in one parallel pass over it. With `ranges` (one per relation), finds those as
/// well, with `fingerprint` that. Throws ShapeError unless row_offsets has n_dst * relations + 1
/// elements (none is fine when there are no rows), IndexError when offsets descend or leave `cols`,
/// or a col is outside [0, message_rows).
CsrScan scan_csr(HostContext const& ctx, std::string_view function, RelationCsrView<> const& csr,
                 VectorView<MessageRange> ranges = {}, bool fingerprint = false);

}  // namespace relweave::ops
