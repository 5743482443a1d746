#pragma once

#include <relweave/ops/detail/reduce_rows.hpp>
#include <relweave/ops/detail/row_norm.hpp>
#include <relweave/ops/relation_aggregate/kernels.hpp>
#include <relweave/ops/relation_aggregate/tuning.hpp>

// Forward kernels. Destination after destination: a piece of its features stays in registers from
// the self term over all edges of all relations to the activation.

namespace relweave::ops::cpu {
inline namespace RELWEAVE_ISA_NAMESPACE {

/// Registers of features per walk over the edges: max keeps a slot beside each value.
template <Reduce reduce>
inline constexpr std::int64_t registers_per_piece = simd::vector_bytes == 64 ? 8
                                                    : reduce == Reduce::max  ? 4
                                                                             : 8;

/// Whole registers past the caches if `streams`: they are on multiples of their size then.
template <typename T, typename V>
[[gnu::always_inline]] inline void store_result(T* to, bool streams, V const& v) {
  if (streams && sizeof(v) % 16 == 0) {
    simd::stream(to, v);
  } else {
    simd::store(to, v);
  }
}

template <std::int64_t L, typename Narrow, typename Index>
[[gnu::always_inline]] inline void narrow_slots(std::byte* to, bool streams, Index const& slots) {
  store_result(to, streams, __builtin_convertvector(slots, simd::Pack<Narrow, L>));
}

template <std::int64_t L, typename Index>
[[gnu::always_inline]] inline void store_slots(std::byte* to, int width, bool streams,
                                               Index const& slots) {
  if (width == 1) {
    narrow_slots<L, std::uint8_t>(to, streams, slots);
  } else if (width == 2) {
    narrow_slots<L, std::uint16_t>(to, streams, slots);
  } else {
    narrow_slots<L, std::uint32_t>(to, streams, slots);
  }
}

/// The edges of a row, and those that the pass comes to next.
template <typename T>
[[gnu::always_inline]] inline RowList<T> row_list(AggregateArguments<T> const& a,
                                                  AggregatePass const& pass, std::int64_t row) {
  EdgeOffset const begin = a.row_offsets[row];
  EdgeOffset const end = a.row_offsets[row + 1];
  RowList<T> list{a.cols + begin, end - begin, a.cols + end, 0, a.messages, a.messages_stride};
  // One pass over all relations reads `cols` from front to back; others skip from row to row.
  if (pass.end_relation - pass.first_relation == a.relations) {
    list.next_count = a.row_offsets[a.rows] - end;
  } else if (row + a.relations < a.rows) {
    list.next = a.cols + a.row_offsets[row + a.relations];
    list.next_count = a.row_offsets[row + a.relations + 1] - a.row_offsets[row + a.relations];
  }
  return list;
}

template <Reduce reduce, std::int64_t L, std::int64_t N, typename T>
[[gnu::always_inline]] inline Reduced<Compute<T>, L, N> reduce_list(RowList<T> const& list,
                                                                    std::int64_t f,
                                                                    std::int64_t slot = 0) {
  if constexpr (reduce == Reduce::max) {
    return max_of<L, N>(list, f, slot);
  } else {
    return sum_of<false, L, N>(list, nullptr, f);
  }
}

/// The partial results of a hub, merged in the order of its chunks.
template <Reduce reduce, std::int64_t L, std::int64_t N, typename T, typename C = Compute<T>>
[[gnu::noinline]] Reduced<C, L, N> merge_hub(AggregateArguments<T> const& a, std::int64_t row,
                                             std::int64_t count, std::int64_t f) {
  Hub const* hub = a.hubs;
  while (hub->row != row) {
    ++hub;
  }
  Reduced<C, L, N> total;
  for (std::int64_t chunk = 0; chunk * hub_chunk < count; ++chunk) {
    std::int64_t const at = (hub->first_chunk + chunk) * a.d + f;
    for (std::int64_t v = 0; v < N; ++v) {
      auto const value = simd::load<L>(a.partial_values + at + v * L);
      if constexpr (reduce == Reduce::max) {
        auto const slot = __builtin_convertvector(simd::load<L>(a.partial_slots + at + v * L),
                                                  simd::IndexPack<C, L>);
        if (chunk == 0) {
          total.value[v] = value;
          total.slot[v] = slot;
        } else {
          merge_max(total, v, value, slot);
        }
      } else {
        total.value[v] = chunk == 0 ? value : total.value[v] + value;
      }
    }
  }
  return total;
}

template <Reduce reduce, typename T>
void reduce_hub_chunk(AggregateArguments<T> const& a, EdgeOffset begin, std::int64_t count,
                      std::int64_t slot, std::int64_t chunk) {
  RowList<T> const list{a.cols + begin, count, nullptr, 0, a.messages, a.messages_stride};
  simd::for_pieces<T, registers_per_piece<reduce>>(
      0, a.d, [&]<std::int64_t L, std::int64_t N>(std::int64_t f) {
        auto const reduced = reduce_list<reduce, L, N>(list, f, slot);
        for (std::int64_t v = 0; v < N; ++v) {
          std::int64_t const at = chunk * a.d + f + v * L;
          simd::store(a.partial_values + at, reduced.value[v]);
          if constexpr (reduce == Reduce::max) {
            simd::store(a.partial_slots + at,
                        __builtin_convertvector(reduced.slot[v], simd::Pack<std::int32_t, L>));
          }
        }
      });
}

template <Reduce reduce, std::int64_t L, std::int64_t N, typename T, typename C = Compute<T>>
[[gnu::always_inline]] inline void aggregate_piece(AggregateArguments<T> const& a,
                                                   AggregatePass const& pass, std::int64_t i,
                                                   std::int64_t f) {
  C* const sums = a.sums + i * a.sums_stride + f;
  simd::Packs<C, L, N> total;
  for (std::int64_t v = 0; v < N; ++v) {
    total[v] = pass.first_relation > 0 ? simd::load<L>(sums + v * L)
               : a.self != nullptr     ? simd::load<L>(a.self + i * a.self_stride + f + v * L)
                                       : simd::Pack<C, L>{};
  }
  for (std::int64_t r = pass.first_relation; r < pass.end_relation; ++r) {
    std::int64_t const row = i * a.relations + r;
    std::int64_t const count = a.row_offsets[row + 1] - a.row_offsets[row];
    Reduced<C, L, N> reduced;
    if (count == 0) {
      for (std::int64_t v = 0; v < N; ++v) {
        reduced.slot[v] = simd::IndexPack<C, L>{} - 1;
      }
    } else {
      RowList<T> const list = row_list(a, pass, row);
      reduced = count > hub_degree ? merge_hub<reduce, L, N>(a, row, count, f)
                                   : reduce_list<reduce, L, N>(list, f);
      for (std::int64_t v = 0; v < N; ++v) {
        total[v] +=
            reduce == Reduce::mean ? reduced.value[v] / static_cast<C>(count) : reduced.value[v];
      }
    }
    if (reduce == Reduce::max && a.arg != nullptr) {
      for (std::int64_t v = 0; v < N; ++v) {
        store_slots<L>(a.arg + (row * a.d + f + v * L) * a.arg_width, a.arg_width, a.streams,
                       reduced.slot[v]);
      }
    }
  }
  bool const last = pass.end_relation == a.relations;
  for (std::int64_t v = 0; v < N; ++v) {
    if (last && a.params.activation == Activation::relu) {
      total[v] = total[v] < 0 ? simd::Pack<C, L>{} : total[v];  // keeps NaN
    }
    if (last && !a.params.l2_normalize) {
      simd::store(a.out + i * a.out_stride + f + v * L, total[v]);
    } else {
      store_result(sums + v * L, a.streams && pass.first_relation == 0, total[v]);
    }
  }
}

template <Reduce reduce, typename T>
void aggregate(AggregateArguments<T> const& a, AggregatePass const& pass, std::int64_t begin,
               std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    simd::for_pieces<T, registers_per_piece<reduce>>(
        0, a.d, [&]<std::int64_t L, std::int64_t N>(std::int64_t f) {
          aggregate_piece<reduce, L, N>(a, pass, i, f);
        });
    if (a.params.l2_normalize && pass.end_relation == a.relations) {
      Compute<T> const norm =
          normalize_row(a.sums + i * a.sums_stride, a.d, a.out + i * a.out_stride);
      if (a.norm != nullptr) {
        a.norm[i] = norm;
      }
    }
  }
  if (a.streams) {
    simd::end_streams();
  }
}

template <typename T>
void aggregate_rows(AggregateArguments<T> const& a, AggregatePass const& pass, std::int64_t begin,
                    std::int64_t end) {
  switch (a.params.reduce) {
    case Reduce::max:
      return aggregate<Reduce::max>(a, pass, begin, end);
    case Reduce::mean:
      return aggregate<Reduce::mean>(a, pass, begin, end);
    case Reduce::sum:
      return aggregate<Reduce::sum>(a, pass, begin, end);
  }
}

template <typename T>
void reduce_hub(AggregateArguments<T> const& a, EdgeOffset begin, std::int64_t count,
                std::int64_t slot, std::int64_t chunk) {
  if (a.params.reduce == Reduce::max) {
    reduce_hub_chunk<Reduce::max>(a, begin, count, slot, chunk);
  } else {
    reduce_hub_chunk<Reduce::sum>(a, begin, count, slot, chunk);
  }
}

}  // namespace RELWEAVE_ISA_NAMESPACE
}  // namespace relweave::ops::cpu
