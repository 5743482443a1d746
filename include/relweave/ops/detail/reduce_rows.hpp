#pragma once

#include <relweave/core/simd.hpp>
#include <relweave/core/types.hpp>

namespace relweave::ops::cpu {
inline namespace RELWEAVE_ISA_NAMESPACE {

/// Rows are fetched this many list positions before they are read: enough to hide memory behind 8
/// rows of 512 bytes, and more than 16 only evicts what is needed next.
inline constexpr std::int64_t prefetch_distance = 12;

/// Rows of a matrix, in the order of a list of row numbers; `next` lists what will be wanted then.
template <typename T>
struct RowList {
  NodeId const* rows;
  std::int64_t count;
  NodeId const* next;
  std::int64_t next_count;
  T const* data;
  std::int64_t stride;
};

/// L N features of a reduction, in registers.
template <typename T, std::int64_t L, std::int64_t N>
struct Reduced {
  simd::Packs<T, L, N> value;
  simd::IndexPacks<T, L, N> slot;  // of the maximum
};

template <typename T>
[[gnu::always_inline]] inline void prefetch_ahead(RowList<T> const& list, std::int64_t e,
                                                  std::int64_t offset, std::int64_t bytes) {
  std::int64_t const ahead = e + prefetch_distance;
  if (ahead < list.count) {
    simd::prefetch(list.data + list.rows[ahead] * list.stride + offset, bytes);
  } else if (ahead - list.count < list.next_count) {
    simd::prefetch(list.data + list.next[ahead - list.count] * list.stride + offset, bytes);
  }
}

/// Merges a candidate: the first maximum wins, a NaN wins over any number.
template <typename T, std::int64_t L, std::int64_t N>
[[gnu::always_inline]] inline void merge_max(Reduced<T, L, N>& best, std::int64_t v,
                                             simd::Pack<T, L> const& value,
                                             simd::IndexPack<T, L> const& slot) {
  auto const better = ~(value <= best.value[v]) & (best.value[v] == best.value[v]);
  best.value[v] = better ? value : best.value[v];
  best.slot[v] = better ? slot : best.slot[v];
}

/// Maxima over the rows of a list that is not empty, with their slots, counted from `slot`.
template <std::int64_t L, std::int64_t N, typename T, typename C = Compute<T>>
[[gnu::always_inline]] inline Reduced<C, L, N> max_of(RowList<T> const& list, std::int64_t offset,
                                                      std::int64_t slot = 0) {
  using Index = typename simd::IndexOf<C>::Type;
  Reduced<C, L, N> best;
  simd::IndexPack<C, L> position = simd::IndexPack<C, L>{} + static_cast<Index>(slot);
  prefetch_ahead(list, 0, offset, N * L * static_cast<std::int64_t>(sizeof(T)));
  T const* const first = list.data + list.rows[0] * list.stride + offset;
  for (std::int64_t v = 0; v < N; ++v) {
    best.value[v] = simd::load<L>(first + v * L);
    best.slot[v] = position;
  }
  for (std::int64_t e = 1; e < list.count; ++e) {
    prefetch_ahead(list, e, offset, N * L * static_cast<std::int64_t>(sizeof(T)));
    T const* const row = list.data + list.rows[e] * list.stride + offset;
    position += 1;
    for (std::int64_t v = 0; v < N; ++v) {
      merge_max(best, v, simd::load<L>(row + v * L), position);
    }
  }
  return best;
}

/// Sum of weights[e] * row e over a list that is not empty; without `weighted`, of the rows.
template <bool weighted, std::int64_t L, std::int64_t N, typename T, typename C = Compute<T>>
[[gnu::always_inline]] inline Reduced<C, L, N> sum_of(RowList<T> const& list,
                                                      Compute<T> const* weights,
                                                      std::int64_t offset) {
  Reduced<C, L, N> sum;
  for (std::int64_t v = 0; v < N; ++v) {
    sum.value[v] = simd::Pack<C, L>{};
  }
  for (std::int64_t e = 0; e < list.count; ++e) {
    prefetch_ahead(list, e, offset, N * L * static_cast<std::int64_t>(sizeof(T)));
    T const* const row = list.data + list.rows[e] * list.stride + offset;
    for (std::int64_t v = 0; v < N; ++v) {
      if constexpr (weighted) {
        sum.value[v] += weights[e] * simd::load<L>(row + v * L);
      } else {
        sum.value[v] += simd::load<L>(row + v * L);
      }
    }
  }
  return sum;
}

}  // namespace RELWEAVE_ISA_NAMESPACE
}  // namespace relweave::ops::cpu
