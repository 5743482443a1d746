#pragma once

#include <cstddef>
#include <cstdint>

#include <relweave/core/isa.hpp>
#include <relweave/ops/detail/sum_tile.hpp>
#include <relweave/ops/relation_aggregate/relation_aggregate.hpp>

namespace relweave::ops::cpu {

/// A row with more than `hub_degree` edges (tuning.hpp).
struct Hub {
  std::int64_t row;          ///< in the CSR
  std::int64_t first_chunk;  ///< its row in the matrices of partial results
};

/// What a forward kernel reads and writes; the arguments of the op without its views.
template <typename T>
struct AggregateArguments {
  EdgeOffset const* row_offsets;
  NodeId const* cols;
  std::int64_t rows;  ///< of the CSR
  std::int64_t relations;
  std::int64_t d;
  T const* messages;
  std::int64_t messages_stride;
  T const* self;  ///< null for zeros
  std::int64_t self_stride;
  T* out;
  std::int64_t out_stride;
  Compute<T>* sums;  ///< rows that another pass or the norm will read: out, if it holds them
  std::int64_t sums_stride;  ///< 0 for one row, used again
  RelationAggregateParams params;
  std::byte* arg;  ///< null when nobody asks for it
  int arg_width;
  bool streams;                 ///< slots and first sums do not fit the cache, and are aligned
  Compute<T>* norm;             ///< null when nobody asks for it
  Hub const* hubs;              ///< ascending by row
  Compute<T>* partial_values;   ///< (chunks, d)
  std::int32_t* partial_slots;  ///< (chunks, d), for max
};

/// The relations that one call of the forward kernel adds: the first pass starts from the self
/// term, later ones from `sums`, and the last finishes the row.
struct AggregatePass {
  std::int64_t first_relation;
  std::int64_t end_relation;
};

template <typename T>
struct AggregateBackwardArguments {
  EdgeOffset const* row_offsets;
  NodeId const* cols;
  std::int64_t relations;
  std::int64_t d;
  T const* out;
  std::int64_t out_stride;
  Compute<T> const* norm;
  T const* grad_out;
  std::int64_t grad_out_stride;
  RelationAggregateParams params;
  std::byte const* arg;
  int arg_width;
  T const* g;  ///< gradient before activation and norm
  std::int64_t g_stride;
};

template <typename T>
struct RelationAggregateKernels {
  /// Destinations [begin, end).
  void (*forward)(AggregateArguments<T> const& a, AggregatePass const& pass, std::int64_t begin,
                  std::int64_t end);
  /// Edges [begin, begin + count) of a hub, whose slots start at `slot`, into row `chunk` of the
  /// partial results.
  void (*partial)(AggregateArguments<T> const& a, EdgeOffset begin, std::int64_t count,
                  std::int64_t slot, std::int64_t chunk);
  /// Writes the gradient before activation and norm of destinations [begin, end).
  void (*pre_activation)(AggregateBackwardArguments<T> const& a, T* g, std::int64_t g_stride,
                         std::int64_t begin, std::int64_t end);
  /// Adds what all destinations send back through `count` relations.
  void (*scatter)(AggregateBackwardArguments<T> const& a, std::int32_t const* relations,
                  std::int64_t count, std::int64_t n_dst, SumTile<Compute<T>> const& to);
};

/// Defined once per instruction set, in src/ops/relation_aggregate_cpu.cpp.
template <Isa isa, typename T>
RelationAggregateKernels<T> const& relation_aggregate_kernels();

}  // namespace relweave::ops::cpu
