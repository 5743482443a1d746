#pragma once

#include <relweave/ops/detail/row_norm.hpp>
#include <relweave/ops/relation_aggregate/kernels.hpp>
#include <relweave/ops/relation_aggregate/tuning.hpp>

// Backward kernels: a row kernel for activation and norm, then a walk over the forward's rows that
// adds to a tile of columns small enough for a cache.

namespace relweave::ops::cpu {
inline namespace RELWEAVE_ISA_NAMESPACE {

template <typename T, typename C = Compute<T>>
void pre_activation_gradient(AggregateBackwardArguments<T> const& a, T* g_rows,
                             std::int64_t g_stride, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    T const* const y = a.out + i * a.out_stride;
    T const* const from = a.grad_out + i * a.grad_out_stride;
    T* const to = g_rows + i * g_stride;
    C const along = a.params.l2_normalize ? dot(y, from, a.d) : C{0};
    C const norm = a.params.l2_normalize ? a.norm[i] : C{1};
    simd::for_pieces<T, 1>(0, a.d, [&]<std::int64_t L, std::int64_t N>(std::int64_t f) {
      auto const out = simd::load<L>(y + f);
      auto g = simd::load<L>(from + f);
      if (a.params.l2_normalize) {
        g = norm == 0 ? simd::Pack<C, L>{} : (g - along * out) / norm;
      }
      if (a.params.activation == Activation::relu) {
        g = out > 0 ? g : simd::Pack<C, L>{};
      }
      simd::store(to + f, g);
    });
  }
}

template <typename T, std::int64_t L, typename Wide>
[[gnu::always_inline]] inline simd::IndexPack<T, L> widen_slots(std::byte const* from) {
  simd::Pack<Wide, L> narrow;
  __builtin_memcpy(&narrow, from, sizeof(narrow));
  return __builtin_convertvector(narrow, simd::IndexPack<T, L>);
}

template <typename T, std::int64_t L>
[[gnu::always_inline]] inline simd::IndexPack<T, L> load_slots(std::byte const* from, int width) {
  return width == 1   ? widen_slots<T, L, std::uint8_t>(from)
         : width == 2 ? widen_slots<T, L, std::uint16_t>(from)
                      : widen_slots<T, L, std::uint32_t>(from);
}

/// Adds g[f] to the winner of each feature: `count` edges from `cols` on, winners at `arg`.
template <std::int64_t L, std::int64_t N, typename T>
[[gnu::always_inline]] inline void scatter_to_winners(NodeId const* cols, std::int64_t count,
                                                      std::byte const* arg, int arg_width,
                                                      simd::Pack<T, L> const* g, T* sums,
                                                      std::int64_t stride) {
  simd::IndexPacks<T, L, N> winner;
  for (std::int64_t v = 0; v < N; ++v) {
    winner[v] = load_slots<T, L>(arg + v * L * arg_width, arg_width);
  }
  if (count <= compared_slots) {
    simd::IndexPack<T, L> slot = {};
    for (std::int64_t e = 0; e < count; ++e) {
      T* const to = sums + cols[e] * stride;
      for (std::int64_t v = 0; v < N; ++v) {
        simd::store(to + v * L,
                    simd::load<L>(to + v * L) + (winner[v] == slot ? g[v] : simd::Pack<T, L>{}));
      }
      slot += 1;
    }
    return;
  }
  for (std::int64_t v = 0; v < N; ++v) {
    for (std::int64_t l = 0; l < L; ++l) {
      sums[cols[winner[v][l]] * stride + v * L + l] += g[v][l];
    }
  }
}

template <Reduce reduce, std::int64_t L, std::int64_t N, typename T, typename C = Compute<T>>
[[gnu::always_inline]] inline void scatter_piece(AggregateBackwardArguments<T> const& a,
                                                 std::int32_t const* relations,
                                                 std::int64_t relation_count, std::int64_t n_dst,
                                                 SumTile<C> const& to, std::int64_t f) {
  C* const sums = to.sums + f - to.first_row * to.stride;
  for (std::int64_t i = 0; i < n_dst; ++i) {
    simd::Packs<C, L, N> g;
    for (std::int64_t v = 0; v < N; ++v) {
      g[v] = simd::load<L>(a.g + i * a.g_stride + to.first_col + f + v * L);
    }
    for (std::int64_t r = 0; r < relation_count; ++r) {
      std::int64_t const row = i * a.relations + relations[r];
      NodeId const* const cols = a.cols + a.row_offsets[row];
      std::int64_t const count = a.row_offsets[row + 1] - a.row_offsets[row];
      if (count == 0) {
        continue;
      }
      if constexpr (reduce == Reduce::max) {
        scatter_to_winners<L, N>(cols, count, a.arg + (row * a.d + to.first_col + f) * a.arg_width,
                                 a.arg_width, g, sums, to.stride);
      } else {
        C const share = reduce == Reduce::mean ? static_cast<C>(count) : C{1};
        simd::Packs<C, L, N> part;
        for (std::int64_t v = 0; v < N; ++v) {
          part[v] = reduce == Reduce::mean ? g[v] / share : g[v];
        }
        for (std::int64_t e = 0; e < count; ++e) {
          C* const target = sums + cols[e] * to.stride;
          for (std::int64_t v = 0; v < N; ++v) {
            simd::store(target + v * L, simd::load<L>(target + v * L) + part[v]);
          }
        }
      }
    }
  }
}

template <typename T>
void scatter_gradients(AggregateBackwardArguments<T> const& a, std::int32_t const* relations,
                       std::int64_t relation_count, std::int64_t n_dst,
                       SumTile<Compute<T>> const& to) {
  simd::for_pieces<T, 4>(0, to.cols, [&]<std::int64_t L, std::int64_t N>(std::int64_t f) {
    switch (a.params.reduce) {
      case Reduce::max:
        return scatter_piece<Reduce::max, L, N>(a, relations, relation_count, n_dst, to, f);
      case Reduce::mean:
        return scatter_piece<Reduce::mean, L, N>(a, relations, relation_count, n_dst, to, f);
      case Reduce::sum:
        return scatter_piece<Reduce::sum, L, N>(a, relations, relation_count, n_dst, to, f);
    }
  });
}

}  // namespace RELWEAVE_ISA_NAMESPACE
}  // namespace relweave::ops::cpu
