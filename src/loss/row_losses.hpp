#pragma once

#include <cstdint>
#include <numeric>

#include <relweave/core/context.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/workspace.hpp>

namespace relweave::loss {

/// Sum of fn(row) over rows, computed in parallel and added in the order of the rows.
template <typename Fn>
double sum_rows(HostContext const& ctx, std::int64_t rows, Fn const& fn) {
  Workspace::Scope scratch(scratch_of(ctx));
  auto const partial = scratch.vector<double>(rows);
  parallel_for_blocks(ctx, rows, 32, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      partial[r] = fn(r);
    }
  });
  return std::accumulate(partial.begin(), partial.end(), 0.0);
}

}  // namespace relweave::loss
