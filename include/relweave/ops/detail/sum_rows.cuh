#pragma once

#include <cstdint>

#include <relweave/core/cuda/lanes.cuh>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>
#include <relweave/ops/gather_rows/device_indices.hpp>

// Kernels that scatter_rows, segment_mean and the gradients of segment_mean and pair_score share: a
// group of lanes takes a row of out and adds up what the list of that row names.

namespace relweave::ops::cuda {

using namespace relweave::cuda;

/// out[i] (+)= scales[i] * sum of weights[p] source_scales[s] from[s] with s = sources[p], over the
/// positions p that `to` lists for row i.
template <typename T>
struct SumRows {
  DeviceInverse to{};
  NodeId const* sources = nullptr;       ///< null: s = p
  float const* weights = nullptr;        ///< null for ones
  float const* source_scales = nullptr;  ///< null for ones
  float const* scales = nullptr;         ///< null for ones
  bool skip_zeros = false;               ///< positions whose factor is 0 are not read
  MatrixView<T const, Space::device> from{};
  bool accumulate = false;  ///< otherwise rows that `to` does not list become 0
  MatrixView<T, Space::device> out{};
};

/// Adds up the positions [begin, end) of the lists, for the features that a lane holds.
template <typename Shape, typename T>
__device__ inline Features<Shape> add_up(SumRows<T> const& a, std::int32_t begin, std::int32_t end,
                                         int lane, std::int64_t tile) {
  constexpr int ahead = Shape::packs == 1 ? 8 : 4;  // rows on their way at once
  Features<Shape> total;
  Pack<T, Shape::width> packs[ahead][Shape::packs];
  float factor[ahead];
  // Short lists are the rule, so that what is left of one goes the same way, with fewer rows.
  for (std::int64_t k = begin; k < end; k += ahead) {
    auto const reads = [&](int u) { return k + u < end && !(a.skip_zeros && factor[u] == 0); };
#pragma unroll
    for (int u = 0; u < ahead; ++u) {
      if (k + u < end) {
        std::int64_t const p = __ldg(a.to.positions.data + k + u);
        std::int64_t const source = a.sources == nullptr ? p : __ldg(a.sources + p);
        factor[u] = a.weights == nullptr ? 1.0F : __ldg(a.weights + p);
        if (a.source_scales != nullptr) {
          factor[u] *= __ldg(a.source_scales + source);
        }
        if (reads(u)) {
          read_packs<Shape>(a.from.row_data(source), lane, tile, a.from.cols, packs[u]);
        }
      }
    }
#pragma unroll
    for (int u = 0; u < ahead; ++u) {
      if (reads(u)) {
        for_features<Shape>(lane, tile, a.from.cols, [&](int f, std::int64_t) {
          total.v[f] += factor[u] * widen(packs[u][f / Shape::width].v[f % Shape::width]);
        });
      }
    }
  }
  return total;
}

template <typename Shape, typename T>
__global__ void __launch_bounds__(block_threads, 2) sum_hub_chunks(SumRows<T> a, float* partial) {
  Group<Shape::lanes> const group;
  std::int64_t const d = a.out.cols;
  for (std::int64_t chunk = group.first; chunk < a.to.chunks; chunk += group.count) {
    std::int64_t const hub = last_up_to(a.to.first_chunk.data, a.to.first_chunk.size - 1, chunk);
    std::int32_t const skipped =
        (static_cast<std::int32_t>(chunk) - a.to.first_chunk.data[hub]) * a.to.hub_chunk;
    std::int32_t const begin = a.to.offsets.data[hub] + skipped;
    std::int32_t const list_end = a.to.offsets.data[hub + 1];
    std::int32_t const end = list_end - begin > a.to.hub_chunk ? begin + a.to.hub_chunk : list_end;
    for (std::int64_t tile = 0; tile < d; tile += Shape::tile) {
      auto const sums = add_up<Shape>(a, begin, end, group.lane, tile);
      for_features<Shape>(group.lane, tile, d, [&](int k, std::int64_t feature) {
        partial[chunk * d + feature] = sums.v[k];
      });
    }
  }
}

/// Merges the partial sums of a hub in the order of its chunks.
template <typename Shape>
__device__ inline Features<Shape> merge_chunks(DeviceInverse const& to, std::int64_t hub,
                                               float const* partial, int lane, std::int64_t tile,
                                               std::int64_t d) {
  Features<Shape> total;
  std::int64_t const end = to.first_chunk.data[hub + 1];
  for (std::int64_t chunk = to.first_chunk.data[hub]; chunk < end; ++chunk) {
    for_features<Shape>(lane, tile, d, [&](int k, std::int64_t feature) {
      total.v[k] += partial[chunk * d + feature];
    });
  }
  return total;
}

template <typename Shape, typename T>
__global__ void __launch_bounds__(block_threads, 2) sum_lists(SumRows<T> a, float const* partial) {
  Group<Shape::lanes> const group;
  std::int64_t const d = a.out.cols;
  for (std::int64_t l = group.first; l < a.to.rows.size; l += group.count) {
    std::int64_t const i = __ldg(a.to.rows.data + l);
    T* const to = a.out.row_data(i);
    float const scale = a.scales == nullptr ? 1.0F : __ldg(a.scales + i);
    for (std::int64_t tile = 0; tile < d; tile += Shape::tile) {
      auto sums = l + 1 < a.to.first_chunk.size
                      ? merge_chunks<Shape>(a.to, l, partial, group.lane, tile, d)
                      : add_up<Shape>(a, __ldg(a.to.offsets.data + l),
                                      __ldg(a.to.offsets.data + l + 1), group.lane, tile);
      Features<Shape> before;
      if (a.accumulate) {
        before = read_row<Shape, true>(to, group.lane, tile, d);
      }
      for_features<Shape>(group.lane, tile, d, [&](int k, std::int64_t) {
        sums.v[k] = before.v[k] + scale * sums.v[k];
      });
      write_row<Shape>(to, group.lane, tile, d, sums);
    }
  }
}

}  // namespace relweave::ops::cuda
