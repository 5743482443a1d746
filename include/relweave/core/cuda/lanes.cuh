#pragma once

#include <cstdint>
#include <cstring>

#include <relweave/core/bfloat16.hpp>
#include <relweave/core/cuda/launch.cuh>

// Groups of lanes that hold one row of features: what kernels over rows are made of.

namespace relweave::cuda {

inline constexpr int warp_lanes = 32;
inline constexpr int block_threads = 256;

__device__ inline float widen(float value) {
  return value;
}
__device__ inline float widen(bfloat16 value) {
  return static_cast<float>(value);
}

/// `width` neighbouring elements, moved by one instruction.
template <typename T, int width>
struct alignas(sizeof(T) * width) Pack {
  T v[width];
};

/// Reads what no kernel writes while this one runs, through the read-only cache.
template <typename T, int width>
__device__ inline Pack<T, width> load(T const* from) {
  using P = Pack<T, width>;
  P pack;
  if constexpr (sizeof(P) == 16) {
    uint4 const bits = __ldg(reinterpret_cast<uint4 const*>(from));
    std::memcpy(&pack, &bits, sizeof(P));
  } else if constexpr (sizeof(P) == 4) {
    unsigned const bits = __ldg(reinterpret_cast<unsigned const*>(from));
    std::memcpy(&pack, &bits, sizeof(P));
  } else {
    pack = *reinterpret_cast<P const*>(from);
  }
  return pack;
}

template <int width, typename T>
__device__ inline void store(T* to, Pack<T, width> const& pack) {
  *reinterpret_cast<Pack<T, width>*>(to) = pack;
}

/// How a row of d features lies in a group of lanes: pack `p` of lane `l` begins at feature
/// tile + (p * lanes + l) * width. Rows of `features` are one tile, and every access is whole;
/// features = 0 serves any d, tile after tile, with the end masked.
template <typename T, int features>
struct RowShape {
  static constexpr bool any = false;
  static constexpr int width = 16 / static_cast<int>(sizeof(T));
  static constexpr int lanes = features / width < warp_lanes ? features / width : warp_lanes;
  static constexpr int packs = features / (width * lanes);
  static constexpr int tile = features;
  static_assert(width * lanes * packs == features);
};

template <typename T>
struct RowShape<T, 0> {
  static constexpr bool any = true;
  static constexpr int width = 1;
  static constexpr int lanes = warp_lanes;
  static constexpr int packs = 2;
  static constexpr int tile = width * lanes * packs;
};

/// The calling thread's place in its group, and the group's among all groups of the grid.
template <int lanes>
struct Group {
  static_assert(lanes > 0 && (lanes & (lanes - 1)) == 0 && lanes <= warp_lanes);

  int lane = static_cast<int>(threadIdx.x) % lanes;
  std::int64_t first = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / lanes;
  std::int64_t count = static_cast<std::int64_t>(gridDim.x) * blockDim.x / lanes;
  int base = static_cast<int>(threadIdx.x) % warp_lanes / lanes * lanes;  // its first lane's number
  unsigned mask = (lanes == warp_lanes ? ~0U : (1U << lanes) - 1U) << base;

  template <typename V>
  __device__ V broadcast(V value, int from) const {
    return __shfl_sync(mask, value, from, lanes);
  }
  /// Bit l is set where lane l of the group says so.
  __device__ unsigned ballot(bool value) const {
    return (__ballot_sync(mask, value) & mask) >> base;
  }
  /// In an order that depends on `lanes` alone.
  __device__ float sum(float value) const {
    for (int step = lanes / 2; step > 0; step /= 2) {
      value += __shfl_xor_sync(mask, value, step, lanes);
    }
    return value;
  }
  __device__ float max(float value) const {
    for (int step = lanes / 2; step > 0; step /= 2) {
      value = fmaxf(value, __shfl_xor_sync(mask, value, step, lanes));
    }
    return value;
  }
};

/// Position of the last of `count` ascending values that is not above `value`; the first is not.
template <typename V>
__device__ inline std::int64_t last_up_to(V const* values, std::int64_t count, std::int64_t value) {
  std::int64_t low = 0;
  while (count > 1) {
    std::int64_t const half = count / 2;
    low += values[low + half] <= value ? half : 0;
    count -= half;
  }
  return low;
}

/// Features of one row in the registers of a group.
template <typename Shape>
struct Features {
  float v[Shape::packs * Shape::width];

  __device__ Features() {
    for (float& x : v) {
      x = 0;
    }
  }
};

/// Calls f(k, feature) for every element that the lane holds of the tile that begins at `tile`.
template <typename Shape, typename F>
__device__ inline void for_features(int lane, std::int64_t tile, std::int64_t d, F&& f) {
#pragma unroll
  for (int p = 0; p < Shape::packs; ++p) {
#pragma unroll
    for (int w = 0; w < Shape::width; ++w) {
      std::int64_t const feature = tile + (p * Shape::lanes + lane) * Shape::width + w;
      if (!Shape::any || feature < d) {
        f(p * Shape::width + w, feature);
      }
    }
  }
}

/// Reads the lane's packs of a row; what lies beyond d is left as it was.
template <typename Shape, typename T>
__device__ inline void read_packs(T const* row, int lane, std::int64_t tile, std::int64_t d,
                                  Pack<T, Shape::width> (&packs)[Shape::packs]) {
#pragma unroll
  for (int p = 0; p < Shape::packs; ++p) {
    std::int64_t const feature = tile + (p * Shape::lanes + lane) * Shape::width;
    if (!Shape::any || feature < d) {
      packs[p] = load<T, Shape::width>(row + feature);
    }
  }
}

/// Reads a row in float, zeros beyond d. `in_place`: this kernel writes the row, too.
template <typename Shape, bool in_place = false, typename T>
__device__ inline Features<Shape> read_row(T const* row, int lane, std::int64_t tile,
                                           std::int64_t d) {
  Features<Shape> x;
#pragma unroll
  for (int p = 0; p < Shape::packs; ++p) {
    std::int64_t const feature = tile + (p * Shape::lanes + lane) * Shape::width;
    if (!Shape::any || feature < d) {
      auto const pack = in_place ? *reinterpret_cast<Pack<T, Shape::width> const*>(row + feature)
                                 : load<T, Shape::width>(row + feature);
#pragma unroll
      for (int w = 0; w < Shape::width; ++w) {
        x.v[p * Shape::width + w] = widen(pack.v[w]);
      }
    }
  }
  return x;
}

template <typename Shape, typename T>
__device__ inline void write_row(T* row, int lane, std::int64_t tile, std::int64_t d,
                                 Features<Shape> const& x) {
#pragma unroll
  for (int p = 0; p < Shape::packs; ++p) {
    std::int64_t const feature = tile + (p * Shape::lanes + lane) * Shape::width;
    if (!Shape::any || feature < d) {
      Pack<T, Shape::width> pack;
#pragma unroll
      for (int w = 0; w < Shape::width; ++w) {
        pack.v[w] = static_cast<T>(x.v[p * Shape::width + w]);
      }
      store<Shape::width>(row + feature, pack);
    }
  }
}

}  // namespace relweave::cuda
