#pragma once

#include <relweave/core/simd.hpp>
#include <relweave/ops/detail/dense_product.hpp>

namespace relweave::ops::cpu {
inline namespace RELWEAVE_ISA_NAMESPACE {

/// Rows of c whose sums are held in registers together: three vectors of each row, the vectors of b
/// and a broadcast of a fill 16 registers with four rows; AVX-512 has 32.
inline constexpr std::int64_t product_rows = simd::vector_bytes == 64 ? 8 : 4;
inline constexpr std::int64_t product_registers = 3;

/// Bytes of b that are laid side by side for all rows of c to read. 24 KiB fit the first-level
/// cache but walk c more often; measured on 128 x 512 x 256: 88 against 90 GFLOP/s.
inline constexpr std::int64_t panel_bytes = 48 * 1024;

/// From this many rows on, copying a panel of b costs less than reading it with its stride.
inline constexpr std::int64_t panel_rows = 16;

/// R rows by N vectors of c. Each element is one chain of multiply-adds in the order of k, started
/// at c itself with `add`: whatever tile an element falls into, its bits are the same.
template <std::int64_t R, std::int64_t L, std::int64_t N, typename T>
void product_tile(T const* a, std::int64_t a_stride, T const* b, std::int64_t b_stride,
                  std::int64_t k, T* c, std::int64_t c_stride, bool add) {
  simd::Packs<T, L, N> sum[static_cast<std::size_t>(R)];
  for (std::int64_t r = 0; r < R; ++r) {
    for (std::int64_t v = 0; v < N; ++v) {
      sum[r][v] = add ? simd::load<L>(c + r * c_stride + v * L) : simd::Pack<T, L>{};
    }
  }
  for (std::int64_t p = 0; p < k; ++p) {
    simd::Packs<T, L, N> row;
    for (std::int64_t v = 0; v < N; ++v) {
      row[v] = simd::load<L>(b + p * b_stride + v * L);
    }
    for (std::int64_t r = 0; r < R; ++r) {
      for (std::int64_t v = 0; v < N; ++v) {
        sum[r][v] += a[r * a_stride + p] * row[v];
      }
    }
  }
  for (std::int64_t r = 0; r < R; ++r) {
    for (std::int64_t v = 0; v < N; ++v) {
      simd::store(c + r * c_stride + v * L, sum[r][v]);
    }
  }
}

/// N vectors of c in all of its rows.
template <std::int64_t R, std::int64_t L, std::int64_t N, typename T>
void product_columns(T const* a, std::int64_t a_stride, T const* b, std::int64_t b_stride,
                     std::int64_t m, std::int64_t k, T* c, std::int64_t c_stride, bool add) {
  std::int64_t r = 0;
  for (; r + R <= m; r += R) {
    product_tile<R, L, N>(a + r * a_stride, a_stride, b, b_stride, k, c + r * c_stride, c_stride,
                          add);
  }
  if constexpr (R > 1) {
    if (r < m) {
      product_columns<R / 2, L, N>(a + r * a_stride, a_stride, b, b_stride, m - r, k,
                                   c + r * c_stride, c_stride, add);
    }
  }
}

/// c = or += a b, neither transposed. An element of c depends on its row of a and its column of b
/// alone, bit by bit: not on m, n, or its place in c.
template <typename T>
void row_product(detail::DenseProduct<T> const& p) {
  if (p.m < product_rows) {  // few rows: more vectors of each, so that enough sums are in flight
    for (std::int64_t r = 0; r < p.m; ++r) {
      simd::for_pieces<T, 8>(0, p.n, [&]<std::int64_t L, std::int64_t N>(std::int64_t j) {
        product_tile<1, L, N>(p.a + r * p.a_stride, 0, p.b + j, p.b_stride, p.k,
                              p.c + r * p.c_stride + j, 0, p.accumulate);
      });
    }
    return;
  }
  constexpr std::int64_t lanes = simd::lanes<T>;
  constexpr std::int64_t width = product_registers * lanes;
  constexpr std::int64_t depth = panel_bytes / (width * static_cast<std::int64_t>(sizeof(T)));
  alignas(64) T panel[static_cast<std::size_t>(width * depth)];
  for (std::int64_t k0 = 0; k0 == 0 || k0 < p.k; k0 += depth) {
    std::int64_t const k = p.k - k0 < depth ? p.k - k0 : depth;
    bool const add = p.accumulate || k0 > 0;
    T const* const a = p.a + k0;
    T const* const b = p.b + k0 * p.b_stride;
    std::int64_t j = 0;
    for (; j + width <= p.n; j += width) {
      if (p.m < panel_rows) {
        product_columns<product_rows, lanes, product_registers>(a, p.a_stride, b + j, p.b_stride,
                                                                p.m, k, p.c + j, p.c_stride, add);
        continue;
      }
      for (std::int64_t q = 0; q < k; ++q) {
        for (std::int64_t v = 0; v < width; v += lanes) {
          simd::store(panel + q * width + v, simd::load<lanes>(b + q * p.b_stride + j + v));
        }
      }
      product_columns<product_rows, lanes, product_registers>(a, p.a_stride, panel, width, p.m, k,
                                                              p.c + j, p.c_stride, add);
    }
    simd::for_pieces<T, 2>(j, p.n, [&]<std::int64_t L, std::int64_t N>(std::int64_t f) {
      product_columns<product_rows, L, N>(a, p.a_stride, b + f, p.b_stride, p.m, k, p.c + f,
                                          p.c_stride, add);
    });
  }
}

}  // namespace RELWEAVE_ISA_NAMESPACE
}  // namespace relweave::ops::cpu
