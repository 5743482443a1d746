#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <relweave/core/cuda/lanes.cuh>
#include <relweave/core/types.hpp>
#include <relweave/ops/relation_aggregate/cuda.cuh>
#include <relweave/ops/relation_aggregate/device_csr.hpp>

// Kernels of relation_aggregate_backward: a group of lanes takes one message and walks over its
// edges in the transpose, so that nothing needs an atomic.

namespace relweave::ops::cuda {

/// Edges whose gradients are on their way at once.
inline constexpr int gathered_in_flight = 4;

template <typename T>
struct BackwardArguments {
  DeviceTranspose transpose;
  EdgeOffset const* row_offsets;
  DeviceWork work;
  std::int64_t hub_degree;
  std::int64_t hub_chunk;
  std::int64_t message_rows;
  std::int32_t relations;
  std::int64_t d;
  bool mean;
  std::byte const* arg;
  unsigned* masks;  ///< (n_edges, mask_words), or null
  int mask_words;   ///< of an edge
  T const* g;       ///< gradient before activation and norm
  std::int64_t g_stride;
  T* grad_messages;
  std::int64_t grad_messages_stride;
  float* partial_values;  ///< (chunks, d)
};

template <typename T>
struct PreActivationArguments {
  std::int64_t n_dst;
  std::int64_t d;
  T const* out;
  std::int64_t out_stride;
  T const* grad_out;
  std::int64_t grad_out_stride;
  bool relu;
  bool l2_normalize;
  float const* norm;
  T* g;
  std::int64_t g_stride;
};

/// The gradient before activation and norm. `g` may be `grad_out`.
template <typename T>
__global__ void __launch_bounds__(block_threads, 2) pre_activation(PreActivationArguments<T> a) {
  Group<warp_lanes> const group;
  for (std::int64_t i = group.first; i < a.n_dst; i += group.count) {
    T const* const out = a.out + i * a.out_stride;
    T const* const grad = a.grad_out + i * a.grad_out_stride;
    T* const g = a.g + i * a.g_stride;
    float norm = 1;
    float along = 0;  // the part of grad_out that only changes the norm
    if (a.l2_normalize) {
      norm = a.norm[i];
      for (std::int64_t c = group.lane; c < a.d; c += warp_lanes) {
        along += widen(out[c]) * widen(grad[c]);
      }
      along = group.sum(along);
    }
    for (std::int64_t c = group.lane; c < a.d; c += warp_lanes) {
      float const y = widen(out[c]);
      float value = widen(grad[c]);
      if (a.l2_normalize) {
        value = norm == 0 ? 0.0F : (value - along * y) / norm;
      }
      g[c] = static_cast<T>(a.relu && !(y > 0) ? 0.0F : value);
    }
  }
}

/// Stands for the type of the slots where a mask says who won.
struct WinMask {};

/// Words of an edge's win mask: a bit per feature.
inline int mask_words(std::int64_t d) {
  return static_cast<int>((d + 31) / 32);
}

struct MaskArguments {
  EdgeOffset const* row_offsets;
  EdgeOffset const* positions;
  DeviceWork work;
  std::int64_t hub_degree;
  std::int64_t hub_chunk;
  std::int64_t n_dst;
  std::int32_t relations;
  std::int64_t d;
  std::byte const* arg;
  unsigned* masks;
  int mask_words;
};

/// Bit f is set where `won`, the winners' slots of a word's features, has `slot`. `whole`: 32 of
/// them, which begin where 16 bytes can be moved at once.
template <bool whole, typename Arg>
__device__ inline unsigned bits_of(Arg const* won, std::int64_t features, Arg slot) {
  unsigned bits = 0;
  if constexpr (whole) {
    constexpr int width = 16 / static_cast<int>(sizeof(Arg));
#pragma unroll
    for (int p = 0; p < 32 / width; ++p) {
      auto const pack = load<Arg, width>(won + p * width);
#pragma unroll
      for (int w = 0; w < width; ++w) {
        bits |= pack.v[w] == slot ? 1U << (p * width + w) : 0U;
      }
    }
  } else {
    for (int f = 0; f < features && f < 32; ++f) {
      bits |= __ldg(won + f) == slot ? 1U << f : 0U;
    }
  }
  return bits;
}

/// Writes the masks of the slots [begin, end) of a row of the csr. A lane writes a word.
template <typename Arg, bool whole>
__device__ inline void mark_slots(MaskArguments const& a, int lane, std::int64_t row,
                                  std::int64_t begin, std::int64_t end) {
  int const words = a.mask_words;
  int const slots = words < warp_lanes ? warp_lanes / words : 1;  // at once
  if (lane / words >= slots) {
    return;
  }
  EdgeOffset const* const positions = a.positions + __ldg(a.row_offsets + row);
  Arg const* const won = reinterpret_cast<Arg const*>(a.arg) + row * a.d;
  for (std::int64_t slot = begin + lane / words; slot < end; slot += slots) {
    unsigned* const mask = a.masks + __ldg(positions + slot) * words;
    for (int word = lane % words; word < words; word += warp_lanes) {
      mask[word] = bits_of<whole>(won + word * 32, a.d - word * 32, static_cast<Arg>(slot));
    }
  }
}

template <typename Arg, bool whole>
__global__ void __launch_bounds__(block_threads, 5) mark_winners(MaskArguments a) {
  Group<warp_lanes> const group;
  for (std::int64_t k = group.first; k < a.n_dst; k += group.count) {
    std::int64_t const i = __ldg(a.work.order.data + k);
    for (std::int32_t r = 0; r < a.relations; ++r) {
      std::int64_t const row = i * a.relations + r;
      std::int64_t const degree = __ldg(a.row_offsets + row + 1) - __ldg(a.row_offsets + row);
      if (degree > 0 && degree <= a.hub_degree) {
        mark_slots<Arg, whole>(a, group.lane, row, 0, degree);
      }
    }
  }
}

template <typename Arg, bool whole>
__global__ void __launch_bounds__(block_threads, 5) mark_hub_winners(MaskArguments a) {
  Group<warp_lanes> const group;
  for (std::int64_t chunk = group.first; chunk < a.work.chunks; chunk += group.count) {
    std::int64_t const hub = hub_of_chunk(a.work, chunk);
    std::int64_t const row = a.work.hubs.data[hub];
    std::int64_t const degree = __ldg(a.row_offsets + row + 1) - __ldg(a.row_offsets + row);
    std::int64_t const begin = (chunk - a.work.first_chunk.data[hub]) * a.hub_chunk;
    mark_slots<Arg, whole>(a, group.lane, row, begin,
                           begin + a.hub_chunk < degree ? begin + a.hub_chunk : degree);
  }
}

/// Adds up what edges won, reading the gradients of winners alone. Those are few and far between:
/// while they are on their way, the next edges' masks are, too.
template <typename Shape, typename T>
__device__ inline Features<Shape> gather_won(BackwardArguments<T> const& a, EdgeOffset begin,
                                             EdgeOffset end, int lane, std::int64_t tile) {
  constexpr int ahead = gathered_in_flight;
  Features<Shape> total;
  NodeId dst[ahead];
  unsigned next[ahead][Shape::packs];  // bit w: the edge won element w of the pack
  auto const feature_of = [&](int p) { return tile + (p * Shape::lanes + lane) * Shape::width; };
  auto const look = [&](EdgeOffset e) {
#pragma unroll
    for (int u = 0; u < ahead; ++u) {
      bool const is = e + u < end;
      dst[u] = is ? __ldg(a.transpose.dst.data + e + u) : 0;
#pragma unroll
      for (int p = 0; p < Shape::packs; ++p) {
        std::int64_t const feature = feature_of(p);
        unsigned word = 0;
        if (is && (!Shape::any || feature < a.d)) {
          word = __ldg(a.masks + (e + u) * a.mask_words + feature / 32);
        }
        next[u][p] = word >> (feature % 32) & ((1U << Shape::width) - 1U);
      }
    }
  };
  look(begin);
  for (EdgeOffset e = begin; e < end; e += ahead) {
    Pack<T, Shape::width> g[ahead][Shape::packs];
    unsigned won[ahead][Shape::packs];
#pragma unroll
    for (int u = 0; u < ahead; ++u) {
#pragma unroll
      for (int p = 0; p < Shape::packs; ++p) {
        won[u][p] = next[u][p];
        if (won[u][p] != 0) {
          g[u][p] = load<T, Shape::width>(a.g + dst[u] * a.g_stride + feature_of(p));
        }
      }
    }
    look(e + ahead);
#pragma unroll
    for (int u = 0; u < ahead; ++u) {
      for_features<Shape>(lane, tile, a.d, [&](int k, std::int64_t) {
        if ((won[u][k / Shape::width] >> (k % Shape::width) & 1U) != 0) {
          total.v[k] += widen(g[u][k / Shape::width].v[k % Shape::width]);
        }
      });
    }
  }
  return total;
}

/// Adds up what edges send back. `Arg` is the type of the slots for max, void for sum and mean.
template <typename Arg, typename Shape, typename T>
__device__ inline Features<Shape> gather_all(BackwardArguments<T> const& a, EdgeOffset begin,
                                             EdgeOffset end, int lane, std::int64_t tile) {
  constexpr bool max = !std::is_void_v<Arg>;
  using Slot = std::conditional_t<max, Arg, std::uint8_t>;
  Features<Shape> total;
  in_batches<gathered_in_flight>(begin, end, [&](EdgeOffset e, auto count) {
    Pack<T, Shape::width> g[count][Shape::packs];
    [[maybe_unused]] Pack<Slot, Shape::width> won[count][Shape::packs];
    [[maybe_unused]] Slot slot[count];
    [[maybe_unused]] float share[count];
#pragma unroll
    for (int u = 0; u < count; ++u) {
      std::int64_t const i = __ldg(a.transpose.dst.data + e + u);
      read_packs<Shape>(a.g + i * a.g_stride, lane, tile, a.d, g[u]);
      if (!max && !a.mean) {
        continue;
      }
      std::int64_t const row = i * a.relations + __ldg(a.transpose.relations.data + e + u);
      if constexpr (max) {
        slot[u] = static_cast<Slot>(__ldg(a.transpose.slots.data + e + u));
        read_packs<Shape>(reinterpret_cast<Slot const*>(a.arg) + row * a.d, lane, tile, a.d,
                          won[u]);
      } else {
        share[u] =
            1.0F / static_cast<float>(__ldg(a.row_offsets + row + 1) - __ldg(a.row_offsets + row));
      }
    }
#pragma unroll
    for (int u = 0; u < count; ++u) {
      for_features<Shape>(lane, tile, a.d, [&](int k, std::int64_t) {
        int const p = k / Shape::width;
        int const w = k % Shape::width;
        float const value = widen(g[u][p].v[w]);
        if constexpr (max) {
          total.v[k] += won[u][p].v[w] == slot[u] ? value : 0.0F;
        } else {
          total.v[k] += a.mean ? value * share[u] : value;
        }
      });
    }
  });
  return total;
}

/// Adds up what the edges [begin, end) of the transpose send back to one message row. `Arg` is the
/// type of the slots for max, or WinMask; void for sum and mean.
template <typename Arg, typename Shape, typename T>
__device__ inline Features<Shape> gather_back(BackwardArguments<T> const& a, EdgeOffset begin,
                                              EdgeOffset end, int lane, std::int64_t tile) {
  if constexpr (std::is_same_v<Arg, WinMask>) {
    return gather_won<Shape>(a, begin, end, lane, tile);
  } else {
    return gather_all<Arg, Shape>(a, begin, end, lane, tile);
  }
}

template <typename Arg, typename Shape, typename T>
__global__ void __launch_bounds__(block_threads, 2) gather_hub_chunks(BackwardArguments<T> a) {
  Group<Shape::lanes> const group;
  for (std::int64_t chunk = group.first; chunk < a.work.chunks; chunk += group.count) {
    std::int64_t const hub = hub_of_chunk(a.work, chunk);
    std::int64_t const j = a.work.hubs.data[hub];
    EdgeOffset const begin =
        a.transpose.col_offsets.data[j] + (chunk - a.work.first_chunk.data[hub]) * a.hub_chunk;
    EdgeOffset const row_end = a.transpose.col_offsets.data[j + 1];
    EdgeOffset const end = begin + a.hub_chunk < row_end ? begin + a.hub_chunk : row_end;
    for (std::int64_t tile = 0; tile < a.d; tile += Shape::tile) {
      auto const sums = gather_back<Arg, Shape>(a, begin, end, group.lane, tile);
      for_features<Shape>(group.lane, tile, a.d, [&](int k, std::int64_t feature) {
        a.partial_values[chunk * a.d + feature] = sums.v[k];
      });
    }
  }
}

/// Blocks that a multiprocessor holds at once: few loads of winners are on their way in each.
template <typename Arg, typename Shape>
inline constexpr int gather_blocks = std::is_same_v<Arg, WinMask>&& Shape::packs == 1 ? 4 : 2;

template <typename Arg, typename Shape, typename T>
__global__ void __launch_bounds__(block_threads, gather_blocks<Arg, Shape>)
    gather_messages(BackwardArguments<T> a) {
  Group<Shape::lanes> const group;
  for (std::int64_t k = group.first; k < a.message_rows; k += group.count) {
    std::int64_t const j = __ldg(a.work.order.data + k);
    EdgeOffset const begin = __ldg(a.transpose.col_offsets.data + j);
    EdgeOffset const end = __ldg(a.transpose.col_offsets.data + j + 1);
    for (std::int64_t tile = 0; tile < a.d; tile += Shape::tile) {
      auto const sums =
          end - begin > a.hub_degree
              ? merge_chunks<false, Shape>(a.work, find_hub(a.work, j), a.partial_values, nullptr,
                                           group.lane, tile, a.d)
                    .value
              : gather_back<Arg, Shape>(a, begin, end, group.lane, tile);
      write_row<Shape>(a.grad_messages + j * a.grad_messages_stride, group.lane, tile, a.d, sums);
    }
  }
}

}  // namespace relweave::ops::cuda
