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
// all its relations, its features in registers from the self term to the activation.

namespace relweave::ops::cuda {

using namespace relweave::cuda;

/// Edges whose messages are on their way at once.
template <typename Shape>
inline constexpr int edges_in_flight = Shape::packs == 1 ? 8 : 4;

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

}  // namespace relweave::ops::cuda
