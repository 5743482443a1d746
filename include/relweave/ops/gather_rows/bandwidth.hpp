#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include <relweave/core/parallel.hpp>
#include <relweave/core/simd.hpp>
#include <relweave/core/views.hpp>

namespace relweave::ops {

/// Bytes per second at which this machine reads the rows that `list` names, in that order: each
/// value is loaded and added, nothing is written. The best of three runs; what a gather in that
/// order can reach (an op that finds a better order may exceed it). For benchmarks: rows of a
/// multiple of 8 vectors, and a list that is not empty.
inline double gather_bandwidth(HostContext const& ctx, MatrixView<float const> rows,
                               VectorView<NodeId const> list) {
  constexpr std::int64_t L = simd::lanes<float>;
  constexpr std::int64_t ahead = 12;
  double best = 0;
  for (int run = 0; run < 3; ++run) {
    auto const start = std::chrono::steady_clock::now();
    parallel_for_blocks(ctx, list.size, 4096, [&](std::int64_t begin, std::int64_t end) {
      simd::Packs<float, L, 8> sums = {};
      for (std::int64_t e = begin; e < end; ++e) {
        simd::prefetch(rows.row_data(list[std::min(e + ahead, list.size - 1)]), rows.cols * 4);
        float const* const row = rows.row_data(list[e]);
        for (std::int64_t f = 0; f + 8 * L <= rows.cols; f += 8 * L) {
          for (std::int64_t v = 0; v < 8; ++v) {
            sums[v] += simd::load<L>(row + f + v * L);
          }
        }
      }
      for (auto& sum : sums) {
        asm volatile("" : "+m"(sum));  // the sums are wanted
      }
    });
    std::chrono::duration<double> const seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(list.size * rows.cols * 4) / seconds.count());
  }
  return best;
}

}  // namespace relweave::ops
