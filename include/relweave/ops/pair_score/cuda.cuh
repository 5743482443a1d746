#pragma once

#include <cstdint>

#include <relweave/core/cuda/lanes.cuh>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

// Kernel of pair_score: a group of lanes takes a pair.

namespace relweave::ops::cuda {

using namespace relweave::cuda;

/// Pairs whose rows one group has on their way at once.
template <typename Shape>
inline constexpr int pairs_in_flight = Shape::packs == 1 ? 4 : 2;

template <typename Shape, typename T>
__global__ void __launch_bounds__(block_threads, 2)
    score_pairs(MatrixView<T const, Space::device> a, NodeId const* a_rows,
                MatrixView<T const, Space::device> b, NodeId const* b_rows,
                VectorView<float, Space::device> out) {
  constexpr int ahead = pairs_in_flight<Shape>;
  Group<Shape::lanes> const group;
  for (std::int64_t first = group.first; first < out.size; first += ahead * group.count) {
    T const* a_row[ahead];
    T const* b_row[ahead];
    float score[ahead];
#pragma unroll
    for (int u = 0; u < ahead; ++u) {
      // Past the end a pair is scored again and not stored: all lanes stay together.
      std::int64_t const p = first + u * group.count < out.size ? first + u * group.count : first;
      a_row[u] = a.row_data(__ldg(a_rows + p));
      b_row[u] = b.row_data(__ldg(b_rows + p));
      score[u] = 0;
    }
    for (std::int64_t tile = 0; tile < a.cols; tile += Shape::tile) {
      Pack<T, Shape::width> x[ahead][Shape::packs], y[ahead][Shape::packs];
#pragma unroll
      for (int u = 0; u < ahead; ++u) {
        read_packs<Shape>(a_row[u], group.lane, tile, a.cols, x[u]);
        read_packs<Shape>(b_row[u], group.lane, tile, a.cols, y[u]);
      }
#pragma unroll
      for (int u = 0; u < ahead; ++u) {
        for_features<Shape>(group.lane, tile, a.cols, [&](int k, std::int64_t) {
          int const pack = k / Shape::width;
          int const at = k % Shape::width;
          score[u] += widen(x[u][pack].v[at]) * widen(y[u][pack].v[at]);
        });
      }
    }
#pragma unroll
    for (int u = 0; u < ahead; ++u) {
      float const sum = group.sum(score[u]);
      std::int64_t const p = first + u * group.count;
      if (group.lane == 0 && p < out.size) {
        out.data[p] = sum;
      }
    }
  }
}

}  // namespace relweave::ops::cuda
