#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>

#include <relweave/core/context.hpp>
#include <relweave/core/isa_dispatch.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/views.hpp>
#include <relweave/core/workspace.hpp>
#include <relweave/ops/gather_rows/kernels.hpp>

#include "edge_partition.hpp"

namespace relweave::ops {

/// Positions in a list of target rows, sorted by target and ascending for each.
struct SortedByTarget {
  VectorView<std::int64_t const> positions;
  VectorView<EdgeOffset const> offsets;  // (buckets + 1): no target is in two buckets
};

/// A counting sort into buckets of consecutive targets: of one each, or of more where there are
/// more targets than positions, so that a short list does not pay for a long table.
inline SortedByTarget sort_by_target(VectorView<NodeId const> targets, std::int64_t rows,
                                     Workspace::Scope& scratch) {
  int shift = 0;
  while ((rows >> shift) > targets.size) {
    ++shift;
  }
  std::int64_t const buckets = (rows >> shift) + 1;
  auto const positions = scratch.vector<std::int64_t>(targets.size);
  // Counted two places ahead: the sums are the first place of each bucket one place ahead, and once
  // those have moved on to the end of their bucket, the offsets.
  auto const next = scratch.vector<EdgeOffset>(buckets + 2);
  std::fill(next.begin(), next.end(), 0);
  for (NodeId const target : targets) {
    ++next[(target >> shift) + 2];
  }
  std::partial_sum(next.begin(), next.end(), next.begin());
  for (std::int64_t i = 0; i < targets.size; ++i) {
    positions[next[(targets[i] >> shift) + 1]++] = i;
  }
  for (std::int64_t bucket = 0; shift > 0 && bucket < buckets; ++bucket) {
    std::sort(positions.begin() + next[bucket], positions.begin() + next[bucket + 1],
              [&](std::int64_t a, std::int64_t b) {
                return targets[a] != targets[b] ? targets[a] < targets[b] : a < b;
              });
  }
  return {positions, next.slice(0, buckets + 1)};
}

/// out[targets[p]] += weights[p] x[sources[p]], p ascending for each row of out, whose sum is
/// rounded once. `arguments` has what is added: x, sources and weights.
template <typename T>
void scatter_by_target(HostContext const& ctx, cpu::ScatterArguments<T> arguments,
                       VectorView<NodeId const> targets, MatrixView<T> out) {
  auto const& kernels = with_isa(ctx, []<Isa isa>() -> cpu::ScatterRowsKernels<T> const& {
    return cpu::scatter_rows_kernels<isa, T>();
  });
  Workspace::Scope scratch(scratch_of(ctx));
  SortedByTarget const sorted = sort_by_target(targets, out.rows, scratch);
  arguments.targets = targets.data;
  arguments.order = sorted.positions.data;
  arguments.out = out.data;
  arguments.out_stride = out.stride;
  arguments.d = out.cols;
  EdgePartition const partition(sorted.offsets, sorted.offsets.size - 1, 1,
                                out.cols * static_cast<std::int64_t>(sizeof(T)));
  parallel_for(ctx, partition.tasks(), [&](std::int64_t task) {
    kernels.scatter(arguments, sorted.offsets[partition.begin(task)],
                    sorted.offsets[partition.begin(task + 1)]);
  });
}

}  // namespace relweave::ops
