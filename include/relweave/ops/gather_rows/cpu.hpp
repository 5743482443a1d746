#pragma once

#include <relweave/core/simd.hpp>
#include <relweave/ops/gather_rows/kernels.hpp>

namespace relweave::ops::cpu {
inline namespace RELWEAVE_ISA_NAMESPACE {

template <typename T>
void scatter_rows(ScatterArguments<T> const& a, std::int64_t begin, std::int64_t end) {
  constexpr std::int64_t ahead = 8;  // rows: 4 KB of 512-byte rows on their way
  std::int64_t const row_bytes = a.d * static_cast<std::int64_t>(sizeof(T));
  for (std::int64_t e = begin; e < end; ++e) {
    if (e + ahead < end) {
      simd::prefetch(a.x + a.x_rows[e + ahead] * a.x_stride, row_bytes);
    }
    T const* const from = a.x + a.x_rows[e] * a.x_stride;
    T* const to = a.out + a.indices[a.x_rows[e]] * a.out_stride;
    simd::for_pieces<T, 4>(0, a.d, [&]<std::int64_t L, std::int64_t N>(std::int64_t f) {
      for (std::int64_t v = f; v < f + L * N; v += L) {
        simd::store(to + v, simd::load<L>(to + v) + simd::load<L>(from + v));
      }
    });
  }
}

}  // namespace RELWEAVE_ISA_NAMESPACE
}  // namespace relweave::ops::cpu
