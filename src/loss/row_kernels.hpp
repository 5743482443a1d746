#pragma once

#include <cstdint>

#include <relweave/core/context.hpp>
#include <relweave/core/isa_dispatch.hpp>
#include <relweave/core/types.hpp>

namespace relweave::loss {

/// What a row of pairs adds up to: losses, and their derivatives times the row's share.
struct PairSums {
  double losses;
  double slopes;
};

/// One row of scores each. Sums are in double, in an order that depends on n and the instruction
/// set alone; grad may be the scores.
template <typename T, typename C = Compute<T>>
struct RowKernels {
  /// Logits scores * inverse_temperature + offset, but `target_logit` for the target. Writes share
  /// times the gradient of -log softmax[target], and returns share times that loss. `logits` (n) is
  /// scratch, which may be grad.
  double (*softmax)(T const* scores, C const* offset, std::int64_t n, NodeId target, C target_logit,
                    C inverse_temperature, double share, C* logits, T* grad);
  /// share * weights without the target, and -share for it; returns the scores' sum so weighted,
  /// over `share`. `scale` is a factor of the weights.
  double (*dot_product)(T const* scores, C const* weights, std::int64_t n, NodeId target,
                        double scale, double share, T* grad);
  /// max(0, d + margin) for differences d = negative - positive.
  PairSums (*margin)(C positive, T const* negative, std::int64_t n, double margin, double share,
                     T* grad);
  /// log(1 + e^d), likewise.
  PairSums (*bpr)(C positive, T const* negative, std::int64_t n, double share, T* grad);
};

/// Defined once per instruction set, in row_kernels_cpu.cpp.
template <Isa isa, typename T>
RowKernels<T> const& row_kernels();

template <typename T>
RowKernels<T> const& row_kernels_for(HostContext const& ctx) {
  return with_isa(ctx, []<Isa isa>() -> RowKernels<T> const& { return row_kernels<isa, T>(); });
}

}  // namespace relweave::loss
