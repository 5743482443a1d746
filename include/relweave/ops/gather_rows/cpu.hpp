#pragma once

#include <relweave/core/simd.hpp>
#include <relweave/ops/gather_rows/kernels.hpp>

namespace relweave::ops::cpu {
inline namespace RELWEAVE_ISA_NAMESPACE {

template <typename T>
void scatter_rows(T const* x, std::int64_t x_stride, NodeId const* indices, std::int64_t count,
                  SumTile<T> const& to) {
  simd::for_pieces<T, 4>(0, to.cols, [&]<std::int64_t L, std::int64_t N>(std::int64_t f) {
    T* const sums = to.sums + f - to.first_row * to.stride;
    for (std::int64_t i = 0; i < count; ++i) {
      T const* const from = x + i * x_stride + to.first_col + f;
      T* const target = sums + indices[i] * to.stride;
      for (std::int64_t v = 0; v < N; ++v) {
        simd::store(target + v * L, simd::load<L>(target + v * L) + simd::load<L>(from + v * L));
      }
    }
  });
}

}  // namespace RELWEAVE_ISA_NAMESPACE
}  // namespace relweave::ops::cpu
