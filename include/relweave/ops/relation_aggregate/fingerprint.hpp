#pragma once

#include <algorithm>
#include <cstdint>

#include <relweave/graph/csr.hpp>

// What a cache remembers of the CSR it was made with. Addresses would not do: a sampler fills the
// same arrays anew for every batch.

namespace relweave::ops::detail {

/// Rows of a part. Parts are hashed on their own, so that threads can share the work; each holds
/// its offsets, so their sum keeps their order.
inline constexpr std::int64_t fingerprint_rows = 1024;

constexpr std::uint64_t mixed(std::uint64_t hash, std::uint64_t word) {
  hash = (hash ^ word) * 0x9E3779B97F4A7C15;  // 2^64 / golden ratio: odd, its bits well spread
  return hash ^ (hash >> 29);
}

/// Four chains, because each step of one waits for the last.
template <typename I>
std::uint64_t hash_of(I const* values, std::int64_t count) {
  std::uint64_t chains[4] = {1, 2, 3, 4};
  std::int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    for (std::int64_t c = 0; c < 4; ++c) {
      chains[c] = mixed(chains[c], static_cast<std::uint64_t>(values[i + c]));
    }
  }
  for (; i < count; ++i) {
    chains[0] = mixed(chains[0], static_cast<std::uint64_t>(values[i]));
  }
  return mixed(mixed(chains[0], chains[1]), mixed(chains[2], chains[3]));
}

constexpr std::int64_t fingerprint_parts(RelationCsrView<> const& csr) {
  return (csr.n_dst * csr.relations + fingerprint_rows - 1) / fingerprint_rows;
}

/// Of rows [part * fingerprint_rows, ...) of a valid CSR: where they end, and their columns.
inline std::uint64_t fingerprint_part(RelationCsrView<> const& csr, std::int64_t part) {
  std::int64_t const begin = part * fingerprint_rows;
  std::int64_t const end = std::min(begin + fingerprint_rows, csr.n_dst * csr.relations);
  EdgeOffset const* const offsets = csr.row_offsets.data;
  std::uint64_t const where = hash_of(offsets + begin, end - begin + 1);
  return mixed(where, hash_of(csr.cols.data + offsets[begin], offsets[end] - offsets[begin]));
}

/// The sizes and the sum of all parts; never 0, which says "no forward pass".
constexpr std::uint64_t fingerprint_of(RelationCsrView<> const& csr, std::uint64_t parts_sum) {
  std::uint64_t hash = mixed(parts_sum, static_cast<std::uint64_t>(csr.n_dst));
  hash = mixed(hash, static_cast<std::uint64_t>(csr.relations));
  return mixed(hash, static_cast<std::uint64_t>(csr.message_rows)) | 1;
}

}  // namespace relweave::ops::detail
