#include "sum_rows.hpp"

#include <relweave/core/cuda/grid.cuh>
#include <relweave/core/cuda/row_shapes.cuh>

namespace relweave::ops {

namespace {

using namespace relweave::cuda;

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

/// The chunk's hub: the last one whose first chunk is not after it.
__device__ inline std::int64_t hub_of_chunk(DeviceInverse const& to, std::int32_t chunk) {
  std::int64_t low = 0;
  for (std::int64_t count = to.first_chunk.size - 1; count > 1;) {
    std::int64_t const half = count / 2;
    low += to.first_chunk.data[low + half] <= chunk ? half : 0;
    count -= half;
  }
  return low;
}

template <typename Shape, typename T>
__global__ void __launch_bounds__(block_threads, 2) sum_hub_chunks(SumRows<T> a, float* partial) {
  Group<Shape::lanes> const group;
  std::int64_t const d = a.out.cols;
  for (std::int64_t chunk = group.first; chunk < a.to.chunks; chunk += group.count) {
    std::int64_t const hub = hub_of_chunk(a.to, static_cast<std::int32_t>(chunk));
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

template <typename T>
void fill_with_zeros(CudaContext const& ctx, std::string_view here,
                     MatrixView<T, Space::device> out) {
  auto const bytes = [](std::int64_t n) { return static_cast<std::size_t>(n) * sizeof(T); };
  check(here, "cudaMemsetAsync",
        out.contiguous() ? cudaMemsetAsync(out.data, 0, bytes(out.rows * out.cols), ctx.stream)
                         : cudaMemset2DAsync(out.data, bytes(out.stride), 0, bytes(out.cols),
                                             static_cast<std::size_t>(out.rows), ctx.stream));
}

}  // namespace

template <typename T>
void sum_rows(CudaContext const& ctx, std::string_view here, SumRows<T> const& sums) {
  if (sums.out.empty()) {
    return;
  }
  DeviceGuard const guard(ctx.device);
  std::int64_t const lists = sums.to.rows.size;
  if (!sums.accumulate && lists < sums.out.rows) {
    fill_with_zeros(ctx, here, sums.out);
  }
  if (lists == 0) {
    return;
  }
  DeviceWorkspace::Scope scratch(ctx.workspace, here);
  std::int64_t const d = sums.out.cols;
  std::int64_t const chunks = sums.to.chunks;
  float* const partial = scratch.vector<float>(chunks * d).data;
  with_shape<T>(d, aligned(sums.from) && aligned(sums.out), [&](auto shape) {
    using Shape = decltype(shape);
    if (chunks > 0) {
      RELWEAVE_LAUNCH((sum_hub_chunks<Shape, T>), grid_of(here, ctx, chunks, Shape::lanes),
                      block_threads, 0, ctx.stream, sums, partial);
      check_launch(here);
    }
    RELWEAVE_LAUNCH((sum_lists<Shape, T>), grid_of(here, ctx, lists, Shape::lanes), block_threads,
                    0, ctx.stream, sums, partial);
    check_launch(here);
  });
}

template void sum_rows<float>(CudaContext const&, std::string_view, SumRows<float> const&);
template void sum_rows<bfloat16>(CudaContext const&, std::string_view, SumRows<bfloat16> const&);

}  // namespace relweave::ops
