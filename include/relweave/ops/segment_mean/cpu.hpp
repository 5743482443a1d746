#pragma once

#include <relweave/ops/detail/reduce_rows.hpp>
#include <relweave/ops/segment_mean/kernels.hpp>

namespace relweave::ops::cpu {
inline namespace RELWEAVE_ISA_NAMESPACE {

template <bool weighted, typename T, typename C = Compute<T>>
void pool_segments(SegmentArguments<T> const& a, bool accumulate, std::int64_t begin,
                   std::int64_t end, T* out, std::int64_t out_stride) {
  for (std::int64_t s = begin; s < end; ++s) {
    std::int64_t const first = a.offsets[s];
    std::int64_t const last = a.offsets[s + 1];
    RowList<T> const list{a.indices + first,     last - first, a.indices + last,
                          a.offsets[end] - last, a.from,       a.from_stride};
    C const* const weights = weighted ? a.weights + first : nullptr;
    T* const to = out + s * out_stride;
    simd::for_pieces<T, 8>(0, a.d, [&]<std::int64_t L, std::int64_t N>(std::int64_t f) {
      auto const sum = sum_of<weighted, L, N>(list, weights, f);
      for (std::int64_t v = 0; v < N; ++v) {
        T* const at = to + f + v * L;
        simd::Pack<C, L> const pooled = a.scales[s] * sum.value[v];
        simd::store(at, accumulate ? simd::load<L>(at) + pooled : pooled);
      }
    });
  }
}

template <typename T>
void pool(SegmentArguments<T> const& a, bool accumulate, std::int64_t begin, std::int64_t end,
          T* out, std::int64_t out_stride) {
  if (a.weights == nullptr) {
    pool_segments<false>(a, accumulate, begin, end, out, out_stride);
  } else {
    pool_segments<true>(a, accumulate, begin, end, out, out_stride);
  }
}

template <typename T, typename C = Compute<T>>
void scatter_segments(SegmentArguments<T> const& a, std::int64_t segments, SumTile<C> const& to) {
  simd::for_pieces<T, 4>(0, to.cols, [&]<std::int64_t L, std::int64_t N>(std::int64_t f) {
    C* const sums = to.sums + f - to.first_row * to.stride;
    for (std::int64_t s = 0; s < segments; ++s) {
      T const* const row = a.from + s * a.from_stride + to.first_col + f;
      simd::Packs<C, L, N> g;
      for (std::int64_t v = 0; v < N; ++v) {
        g[v] = a.scales[s] * simd::load<L>(row + v * L);
      }
      for (std::int64_t e = a.offsets[s]; e < a.offsets[s + 1]; ++e) {
        C const weight = a.weights == nullptr ? C{1} : a.weights[e];
        C* const target = sums + a.indices[e] * to.stride;
        for (std::int64_t v = 0; v < N; ++v) {
          simd::store(target + v * L, simd::load<L>(target + v * L) + weight * g[v]);
        }
      }
    }
  });
}

}  // namespace RELWEAVE_ISA_NAMESPACE
}  // namespace relweave::ops::cpu
