#pragma once

#include <cstdint>

#include <relweave/core/isa.hpp>
#include <relweave/core/types.hpp>

namespace relweave::ops::cpu {

template <typename T>
struct TopKKernels {
  /// The first c in [begin, n) with scores[c] > threshold; n if there is none.
  std::int64_t (*first_above)(T const* scores, std::int64_t begin, std::int64_t n,
                              Compute<T> threshold);
};

/// Defined once per instruction set, in src/ops/top_k_cpu.cpp.
template <Isa isa, typename T>
TopKKernels<T> const& top_k_kernels();

}  // namespace relweave::ops::cpu
