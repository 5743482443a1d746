#pragma once

#include <relweave/core/simd.hpp>
#include <relweave/ops/gather_rows/kernels.hpp>

namespace relweave::ops::cpu {
inline namespace RELWEAVE_ISA_NAMESPACE {

template <typename T>
[[gnu::always_inline]] inline T const* source_row(ScatterArguments<T> const& a,
                                                  std::int64_t position) {
  return a.x + (a.sources == nullptr ? position : a.sources[position]) * a.x_stride;
}

/// What the positions order[begin, end) add to one row of out; others follow up to `limit`.
template <bool weighted, typename T>
void add_rows(ScatterArguments<T> const& a, std::int64_t begin, std::int64_t end,
              std::int64_t limit, T* to) {
  constexpr std::int64_t ahead = 8;  // rows: 4 KB of 512-byte rows on their way
  simd::for_pieces<T, 8>(0, a.d, [&]<std::int64_t L, std::int64_t N>(std::int64_t f) {
    simd::Packs<Compute<T>, L, N> total;
    for (std::int64_t v = 0; v < N; ++v) {
      total[v] = simd::load<L>(to + f + v * L);
    }
    for (std::int64_t e = begin; e < end; ++e) {
      if (e + ahead < limit) {
        simd::prefetch(source_row(a, a.order[e + ahead]) + f,
                       L * N * static_cast<std::int64_t>(sizeof(T)));
      }
      T const* const from = source_row(a, a.order[e]) + f;
      if constexpr (weighted) {
        auto const weight = a.weights[a.order[e]];
        if (weight != 0) {
          for (std::int64_t v = 0; v < N; ++v) {
            total[v] += weight * simd::load<L>(from + v * L);
          }
        }
      } else {
        for (std::int64_t v = 0; v < N; ++v) {
          total[v] += simd::load<L>(from + v * L);
        }
      }
    }
    for (std::int64_t v = 0; v < N; ++v) {
      simd::store(to + f + v * L, total[v]);
    }
  });
}

template <typename T>
void scatter_rows(ScatterArguments<T> const& a, std::int64_t begin, std::int64_t end) {
  for (std::int64_t first = begin, last; first < end; first = last) {
    NodeId const target = a.targets[a.order[first]];
    for (last = first + 1; last < end && a.targets[a.order[last]] == target;) {
      ++last;
    }
    T* const to = a.out + target * a.out_stride;
    if (a.weights == nullptr) {
      add_rows<false>(a, first, last, end, to);
    } else {
      add_rows<true>(a, first, last, end, to);
    }
  }
}

}  // namespace RELWEAVE_ISA_NAMESPACE
}  // namespace relweave::ops::cpu
