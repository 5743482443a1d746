#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <relweave/core/cuda/lanes.cuh>
#include <relweave/core/types.hpp>
#include <relweave/ops/detail/row_norm.cuh>
#include <relweave/ops/relation_aggregate/device_csr.hpp>
#include <relweave/ops/relation_aggregate/relation_aggregate.hpp>

// Kernels of relation_aggregate: a group of lanes takes one destination and walks over the edges of
// all its relations, its features in registers from the self term to the activation. The transpose
// is walked in the same way for the gradient, so that nothing needs an atomic.

namespace relweave::ops::cuda {

using namespace relweave::cuda;

/// Edges whose messages are on their way at once.
template <typename Shape>
inline constexpr int edges_in_flight = Shape::packs == 1 ? 8 : 4;

/// Likewise of edges whose gradients a message gathers.
inline constexpr int gathered_in_flight = 4;

/// Blocks that a multiprocessor holds at once, as many as registers allow.
template <typename Shape>
inline constexpr int forward_blocks = Shape::tile <= 128 ? 3 : 2;

/// Calls f(e, count) for the edges from `begin` on in batches of `ahead`, and for those that are
/// left of half as many, and so on: a short row does not wait for one edge after the other.
template <int ahead, typename F>
__device__ inline void in_batches(EdgeOffset begin, EdgeOffset end, F&& f) {
  for (; begin + ahead <= end; begin += ahead) {
    f(begin, std::integral_constant<int, ahead>{});
  }
  if constexpr (ahead > 1) {
    in_batches<ahead / 2>(begin, end, f);
  }
}

template <typename T>
struct ForwardArguments {
  EdgeOffset const* row_offsets;
  NodeId const* cols;
  DeviceWork work;
  std::int64_t hub_degree;
  std::int64_t hub_chunk;
  std::int64_t n_dst;
  std::int32_t relations;
  std::int64_t d;
  T const* messages;
  std::int64_t messages_stride;
  T const* self;  ///< null for zeros
  std::int64_t self_stride;
  T* out;
  std::int64_t out_stride;
  bool relu;
  bool l2_normalize;
  bool mean;
  std::byte* arg;  ///< null when nobody asks for it
  int arg_width;
  float* norm;                  ///< null when nobody asks for it
  float* partial_values;        ///< (chunks, d)
  std::int32_t* partial_slots;  ///< (chunks, d), for max
};

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

/// The edges [begin, end) of one row reduced, for the features that a lane holds.
template <bool max, typename Shape>
struct Reduced {
  Features<Shape> value;
  std::int32_t slot[max ? Shape::packs * Shape::width : 1];

  __device__ void take(int k, float v, std::int32_t at, bool first) {
    if constexpr (max) {
      // The first maximum wins, and a NaN over any number.
      bool const wins = first || (!(v <= value.v[k]) && value.v[k] == value.v[k]);
      value.v[k] = wins ? v : value.v[k];
      slot[k] = wins ? at : slot[k];
    } else {
      value.v[k] += v;
    }
  }
};

template <bool max, typename Shape, typename T>
__device__ inline Reduced<max, Shape> reduce_edges(ForwardArguments<T> const& a, EdgeOffset begin,
                                                   EdgeOffset end, std::int32_t slot, int lane,
                                                   std::int64_t tile) {
  Reduced<max, Shape> reduced;
  bool first = true;
  in_batches<edges_in_flight<Shape>>(begin, end, [&](EdgeOffset e, auto count) {
    Pack<T, Shape::width> packs[count][Shape::packs];
#pragma unroll
    for (int u = 0; u < count; ++u) {
      T const* const row = a.messages + __ldg(a.cols + e + u) * a.messages_stride;
      read_packs<Shape>(row, lane, tile, a.d, packs[u]);
    }
#pragma unroll
    for (int u = 0; u < count; ++u) {
      for_features<Shape>(lane, tile, a.d, [&](int k, std::int64_t) {
        reduced.take(k, widen(packs[u][k / Shape::width].v[k % Shape::width]), slot, first);
      });
      first = false;
      ++slot;
    }
  });
  return reduced;
}

/// Position of `row` in the list of hubs, which holds it.
__device__ inline std::int64_t find_hub(DeviceWork const& work, std::int64_t row) {
  return last_up_to(work.hubs.data, work.hubs.size, row);
}

/// The chunk's hub.
__device__ inline std::int64_t hub_of_chunk(DeviceWork const& work, std::int64_t chunk) {
  return last_up_to(work.first_chunk.data, work.hubs.size, chunk);
}

/// Merges the partial results of a hub in the order of its chunks.
template <bool max, typename Shape>
__device__ inline Reduced<max, Shape> merge_chunks(DeviceWork const& work, std::int64_t hub,
                                                   float const* values, std::int32_t const* slots,
                                                   int lane, std::int64_t tile, std::int64_t d) {
  Reduced<max, Shape> total;
  std::int64_t const begin = work.first_chunk.data[hub];
  for (std::int64_t chunk = begin; chunk < work.first_chunk.data[hub + 1]; ++chunk) {
    for_features<Shape>(lane, tile, d, [&](int k, std::int64_t feature) {
      std::int64_t const at = chunk * d + feature;
      total.take(k, values[at], max ? slots[at] : 0, chunk == begin);
    });
  }
  return total;
}

template <bool max, typename Shape, typename T>
__global__ void __launch_bounds__(block_threads, forward_blocks<Shape>)
    reduce_hub_chunks(ForwardArguments<T> a) {
  Group<Shape::lanes> const group;
  for (std::int64_t chunk = group.first; chunk < a.work.chunks; chunk += group.count) {
    std::int64_t const hub = hub_of_chunk(a.work, chunk);
    std::int64_t const row = a.work.hubs.data[hub];
    std::int64_t const skipped = (chunk - a.work.first_chunk.data[hub]) * a.hub_chunk;
    EdgeOffset const begin = a.row_offsets[row] + skipped;
    EdgeOffset const row_end = a.row_offsets[row + 1];
    EdgeOffset const end = begin + a.hub_chunk < row_end ? begin + a.hub_chunk : row_end;
    for (std::int64_t tile = 0; tile < a.d; tile += Shape::tile) {
      auto const reduced = reduce_edges<max, Shape>(
          a, begin, end, static_cast<std::int32_t>(skipped), group.lane, tile);
      for_features<Shape>(group.lane, tile, a.d, [&](int k, std::int64_t feature) {
        a.partial_values[chunk * a.d + feature] = reduced.value.v[k];
        if constexpr (max) {
          a.partial_slots[chunk * a.d + feature] = reduced.slot[k];
        }
      });
    }
  }
}

template <typename Narrow, typename Shape>
__device__ inline void store_slots(std::byte* arg, std::int64_t first, int lane, std::int64_t tile,
                                   std::int64_t d, std::int32_t const* slot) {
  auto* const to = reinterpret_cast<Narrow*>(arg) + first;
#pragma unroll
  for (int p = 0; p < Shape::packs; ++p) {
    std::int64_t const feature = tile + (p * Shape::lanes + lane) * Shape::width;
    if (!Shape::any || feature < d) {
      Pack<Narrow, Shape::width> pack;
#pragma unroll
      for (int w = 0; w < Shape::width; ++w) {
        pack.v[w] = static_cast<Narrow>(slot[p * Shape::width + w]);
      }
      store<Shape::width>(to + feature, pack);
    }
  }
}

/// One destination row before activation and norm: its own term and all relations.
template <bool max, typename Shape, typename T>
__device__ inline Features<Shape> aggregate_tile(ForwardArguments<T> const& a,
                                                 Group<Shape::lanes> const& group, std::int64_t i,
                                                 std::int64_t tile) {
  Features<Shape> total;
  if (a.self != nullptr) {
    total = read_row<Shape>(a.self + i * a.self_stride, group.lane, tile, a.d);
  }
  if (!max && !a.mean) {  // edges of all relations are one row, if none of it is a hub
    EdgeOffset const begin = __ldg(a.row_offsets + i * a.relations);
    EdgeOffset const end = __ldg(a.row_offsets + (i + 1) * a.relations);
    if (end - begin <= a.hub_degree) {
      auto const reduced = reduce_edges<max, Shape>(a, begin, end, 0, group.lane, tile);
      for_features<Shape>(group.lane, tile, a.d,
                          [&](int k, std::int64_t) { total.v[k] += reduced.value.v[k]; });
      return total;
    }
  }
  // A lane looks after one relation each, so that empty ones cost next to nothing.
  for (std::int32_t base = 0; base < a.relations; base += Shape::lanes) {
    std::int64_t const mine = i * a.relations + base + group.lane;
    bool const is = base + group.lane < a.relations;
    EdgeOffset const my_begin = is ? __ldg(a.row_offsets + mine) : 0;
    EdgeOffset const my_end = is ? __ldg(a.row_offsets + mine + 1) : 0;
    for (unsigned left = group.ballot(my_end > my_begin); left != 0; left &= left - 1) {
      int const r = __ffs(static_cast<int>(left)) - 1;
      EdgeOffset const begin = group.broadcast(my_begin, r);
      EdgeOffset const end = group.broadcast(my_end, r);
      std::int64_t const row = i * a.relations + base + r;
      auto const reduced =
          end - begin > a.hub_degree
              ? merge_chunks<max, Shape>(a.work, find_hub(a.work, row), a.partial_values,
                                         a.partial_slots, group.lane, tile, a.d)
              : reduce_edges<max, Shape>(a, begin, end, 0, group.lane, tile);
      auto const degree = static_cast<float>(end - begin);
      for_features<Shape>(group.lane, tile, a.d, [&](int k, std::int64_t) {
        total.v[k] += a.mean ? reduced.value.v[k] / degree : reduced.value.v[k];
      });
      if constexpr (max) {
        if (a.arg != nullptr) {
          std::int64_t const first = row * a.d;
          if (a.arg_width == 1) {
            store_slots<std::uint8_t, Shape>(a.arg, first, group.lane, tile, a.d, reduced.slot);
          } else if (a.arg_width == 2) {
            store_slots<std::uint16_t, Shape>(a.arg, first, group.lane, tile, a.d, reduced.slot);
          } else {
            store_slots<std::uint32_t, Shape>(a.arg, first, group.lane, tile, a.d, reduced.slot);
          }
        }
      }
    }
  }
  return total;
}

/// Writes destination i, whose features before activation and norm are `features_of(tile)`.
template <typename Shape, typename T, typename F>
__device__ inline void finish_row(ForwardArguments<T> const& a, Group<Shape::lanes> const& group,
                                  std::int64_t i, F&& features_of) {
  T* const out = a.out + i * a.out_stride;
  auto const activated = [&](std::int64_t tile) {
    Features<Shape> x = features_of(tile);
    if (a.relu) {
      for (float& v : x.v) {
        v = v < 0 ? 0.0F : v;  // keeps NaN
      }
    }
    return x;
  };
  if constexpr (!Shape::any) {
    auto total = activated(0);
    if (a.l2_normalize) {
      RowNorm const norm = row_norm(group, [&](auto&& f) {
        for (float const x : total.v) {
          f(x);
        }
      });
      for (float& x : total.v) {
        x = norm.divide(x);
      }
      if (a.norm != nullptr && group.lane == 0) {
        a.norm[i] = norm.value();
      }
    }
    write_row<Shape>(out, group.lane, 0, a.d, total);
  } else {
    // Too wide for registers: normalised in a second pass over what this thread wrote.
    for (std::int64_t tile = 0; tile < a.d; tile += Shape::tile) {
      write_row<Shape>(out, group.lane, tile, a.d, activated(tile));
    }
    if (a.l2_normalize) {
      RowNorm const norm = row_norm(group, [&](auto&& f) {
        for (std::int64_t c = group.lane; c < a.d; c += Shape::lanes) {
          f(widen(out[c]));
        }
      });
      for (std::int64_t c = group.lane; c < a.d; c += Shape::lanes) {
        out[c] = static_cast<T>(norm.divide(widen(out[c])));
      }
      if (a.norm != nullptr && group.lane == 0) {
        a.norm[i] = norm.value();
      }
    }
  }
}

template <bool max, typename Shape, typename T>
__global__ void __launch_bounds__(block_threads, forward_blocks<Shape>)
    aggregate_rows(ForwardArguments<T> a) {
  Group<Shape::lanes> const group;
  for (std::int64_t k = group.first; k < a.n_dst; k += group.count) {
    std::int64_t const i = __ldg(a.work.order.data + k);
    finish_row<Shape>(a, group, i, [&](std::int64_t tile) {
      return aggregate_tile<max, Shape>(a, group, i, tile);
    });
  }
}

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
