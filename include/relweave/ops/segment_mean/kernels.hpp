#pragma once

#include <cstdint>

#include <relweave/core/isa.hpp>
#include <relweave/core/types.hpp>
#include <relweave/ops/detail/sum_tile.hpp>

namespace relweave::ops::cpu {

/// What the kernels read: segments, one factor for each, and the matrix on the other side.
template <typename T>
struct SegmentArguments {
  std::int64_t const* offsets;
  NodeId const* indices;
  Compute<T> const* weights;  ///< null for ones
  Compute<T> const* scales;   ///< per segment
  T const* from;              ///< x, or grad_out
  std::int64_t from_stride;
  std::int64_t d;
};

template <typename T>
struct SegmentMeanKernels {
  /// Segments [begin, end) of `out`; adds to it with `accumulate`.
  void (*forward)(SegmentArguments<T> const& a, bool accumulate, std::int64_t begin,
                  std::int64_t end, T* out, std::int64_t out_stride);
  /// Adds scales[s] w_e from[s] to row indices[e], for all entries of `segments` segments.
  void (*scatter)(SegmentArguments<T> const& a, std::int64_t segments,
                  SumTile<Compute<T>> const& to);
};

/// Defined once per instruction set, in src/ops/segment_mean_cpu.cpp.
template <Isa isa, typename T>
SegmentMeanKernels<T> const& segment_mean_kernels();

}  // namespace relweave::ops::cpu
