#pragma once

#include <cmath>
#include <cstdint>

#include <relweave/core/cuda/lanes.cuh>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

// Kernels of top_k: a block takes a row, or a part of one. It keeps what beats the k-th best so far
// in shared memory, and sorts when there is no room for more.

namespace relweave::ops::cuda {

using namespace relweave::cuda;

/// A score and its column as one number: a better place is a larger key. No two are equal, so that
/// the order in which threads find them does not matter. 0 is no candidate.
using Key = unsigned long long;

template <typename T>
__device__ inline Key key_of(T score, NodeId column) {
  float const x = widen(score);
  if (!(x > -INFINITY)) {
    return 0;
  }
  unsigned const bits = __float_as_uint(x + 0.0F);  // -0 equals 0
  unsigned const ascending = bits >> 31 != 0 ? ~bits : bits | 0x80000000U;
  return Key{ascending} << 32 | ~static_cast<unsigned>(column);
}
__device__ inline float score_of(Key key) {
  auto const ascending = static_cast<unsigned>(key >> 32);
  return key == 0 ? -INFINITY
                  : __uint_as_float(ascending >> 31 != 0 ? ascending ^ 0x80000000U : ~ascending);
}
__device__ inline NodeId column_of(Key key) {
  return key == 0 ? -1 : static_cast<NodeId>(~static_cast<unsigned>(key));
}

inline constexpr int keys_in_flight = 4;  // per thread
inline constexpr int keys_per_step = keys_in_flight * block_threads;

/// Keys that a block holds: the k best, and room for a step of candidates or two.
inline int key_capacity(std::int64_t k) {
  return k <= 512 ? 2 * keys_per_step : 4 * keys_per_step;
}

/// Descending; `size` is a power of two. All threads of the block.
__device__ inline void sort_keys(Key* keys, int size) {
  auto const thread = static_cast<int>(threadIdx.x);
  for (int run = 2; run <= size; run *= 2) {
    for (int stride = run / 2; stride > 0; stride /= 2) {
      for (int pair = thread; pair < size / 2; pair += block_threads) {
        int const low = 2 * pair - (pair & (stride - 1));
        int const high = low + stride;
        Key const a = keys[low];
        Key const b = keys[high];
        bool const descending = (low & run) == 0;
        if ((a < b) == descending) {
          keys[low] = b;
          keys[high] = a;
        }
      }
      __syncthreads();
    }
  }
}

/// The best of a block's row: keys[0 .. k), descending, then `*count` candidates in any order.
struct Best {
  Key* keys;
  int* count;
  int k;
  int capacity;

  /// key(j) is the j-th best of what is there already.
  template <typename F>
  __device__ void begin(F&& key) const {
    for (auto j = static_cast<int>(threadIdx.x); j < k; j += block_threads) {
      keys[j] = key(j);
    }
    if (threadIdx.x == 0) {
      *count = 0;
    }
    __syncthreads();
  }

  /// Moves the candidates to where they belong.
  __device__ void settle() const {
    int const held = k + *count;
    int size = 1;
    while (size < held) {
      size *= 2;
    }
    for (int i = held + static_cast<int>(threadIdx.x); i < size; i += block_threads) {
      keys[i] = 0;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      *count = 0;
    }
    sort_keys(keys, size);
    __syncthreads();
  }

  /// Looks at key(i) for i in [first, last); those up to `floor` need not be looked at.
  template <typename F>
  __device__ void take(std::int64_t first, std::int64_t last, Key floor, F&& key) const {
    int const room = capacity - k - keys_per_step;
    Key threshold = keys[k - 1] > floor ? keys[k - 1] : floor;
    for (std::int64_t i = first + threadIdx.x; i - threadIdx.x < last; i += keys_per_step) {
      Key found[keys_in_flight];
#pragma unroll
      for (int u = 0; u < keys_in_flight; ++u) {
        std::int64_t const at = i + u * block_threads;
        found[u] = at < last ? key(at) : 0;
      }
      bool full = false;
#pragma unroll
      for (int u = 0; u < keys_in_flight; ++u) {
        if (found[u] > threshold) {
          int const slot = atomicAdd(count, 1);
          keys[k + slot] = found[u];
          full = full || slot >= room;
        }
      }
      if (__syncthreads_or(full)) {
        settle();
        threshold = keys[k - 1] > floor ? keys[k - 1] : floor;
      }
    }
    if (*count > 0) {
      settle();
    }
  }
};

/// Where candidates come from.
template <typename T>
struct Scores {
  MatrixView<T const, Space::device> scores;
  NodeId first_column;

  __device__ Key operator()(std::int64_t row, std::int64_t c) const {
    return key_of(scores.row_data(row)[c], static_cast<NodeId>(first_column + c));
  }
};

struct Keys {
  MatrixView<Key const, Space::device> keys;

  __device__ Key operator()(std::int64_t row, std::int64_t c) const {
    return keys.row_data(row)[c];
  }
};

/// The best of `columns` candidates per row; with `merge`, and of those in the outputs.
template <typename Source, typename T>
__global__ void __launch_bounds__(block_threads)
    select_rows(Source source, std::int64_t columns, bool merge, int capacity,
                MatrixView<NodeId, Space::device> indices, MatrixView<T, Space::device> values) {
  RELWEAVE_DYNAMIC_SHARED(Key, keys);
  RELWEAVE_SHARED(int, count, 1);
  Best const best{keys, count, static_cast<int>(indices.cols), capacity};
  for (std::int64_t row = blockIdx.x; row < indices.rows; row += gridDim.x) {
    NodeId* const to_indices = indices.row_data(row);
    T* const to_values = values.row_data(row);
    best.begin([&](int j) { return merge ? key_of(to_values[j], to_indices[j]) : Key{0}; });
    best.take(0, columns, 0, [&](std::int64_t c) { return source(row, c); });
    for (auto j = static_cast<int>(threadIdx.x); j < best.k; j += block_threads) {
      to_indices[j] = column_of(keys[j]);
      to_values[j] = static_cast<T>(score_of(keys[j]));
    }
    __syncthreads();  // the next row takes the place
  }
}

/// The best of each of `parts` parts of a row's scores: out (rows, parts * k). With `merge`, only
/// what beats the last place in `indices` and `values`.
template <typename T>
__global__ void __launch_bounds__(block_threads)
    select_parts(Scores<T> source, std::int64_t parts, bool merge, int capacity,
                 MatrixView<NodeId const, Space::device> indices,
                 MatrixView<T const, Space::device> values, MatrixView<Key, Space::device> out) {
  RELWEAVE_DYNAMIC_SHARED(Key, keys);
  RELWEAVE_SHARED(int, count, 1);
  Best const best{keys, count, static_cast<int>(indices.cols), capacity};
  std::int64_t const columns = source.scores.cols;
  std::int64_t const size = (columns + parts - 1) / parts;
  for (std::int64_t task = blockIdx.x; task < indices.rows * parts; task += gridDim.x) {
    std::int64_t const row = task / parts;
    std::int64_t const part = task % parts;
    std::int64_t const first = part * size;
    std::int64_t const last = first + size < columns ? first + size : columns;
    Key const floor =
        merge ? key_of(values.row_data(row)[best.k - 1], indices.row_data(row)[best.k - 1]) : 0;
    best.begin([](int) { return Key{0}; });
    best.take(first, last, floor, [&](std::int64_t c) { return source(row, c); });
    Key* const to = out.row_data(row) + part * best.k;
    for (auto j = static_cast<int>(threadIdx.x); j < best.k; j += block_threads) {
      to[j] = keys[j];
    }
    __syncthreads();
  }
}

}  // namespace relweave::ops::cuda
