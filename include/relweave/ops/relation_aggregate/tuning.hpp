#pragma once

#include <cstdint>

// Sizes that were measured, on two cores of an EPYC 9004 (1 MB of second-level cache each, 32 MB of
// third), d = 128 float, 3 relations of 20,000 x 20,000 nodes with 20 edges per row.

namespace relweave::ops::cpu {

/// A row with more than `hub_degree` edges is a hub: its edges are reduced in chunks of
/// `hub_chunk`, in parallel, and the partial results merged in order. A chunk of 512-byte messages
/// is 2 MB, about what a task of other rows gathers.
inline constexpr std::int64_t hub_chunk = 4096;
inline constexpr std::int64_t hub_degree = 2 * hub_chunk;

/// Messages that fit `resident_bytes` are gathered from the cache. Where all relations together do
/// not fit, but each alone does, one pass per relation (85 ms) beats one pass over all (126 ms) as
/// long as rows are not so short that reading and writing `out` again costs more than it saves.
/// Passes over columns instead: 140 ms. In bfloat16, whose passes keep sums in a matrix of floats,
/// 3 relations of 32,000 sources take 51 against 95 ms; at 9 edges per row passes gain nothing.
inline constexpr std::int64_t resident_bytes = 16 << 20;
inline constexpr std::int64_t least_degree_per_pass = 8;

/// Backward of max: rows of up to this many edges compare every edge's slot with all winners of a
/// piece; longer ones go feature by feature to the winner alone. At 20 edges 65 against 70 ms, at
/// 10 edges .9 against 1.3 ms.
inline constexpr std::int64_t compared_slots = 24;

}  // namespace relweave::ops::cpu
