#pragma once

#include <cstddef>
#include <cstdint>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/graph/csr.hpp>

namespace relweave::ops {

struct RelationAggregateParams {
  Reduce reduce = Reduce::max;
  Activation activation = Activation::relu;
  bool l2_normalize = false;
};

/// What the backward pass needs of the forward pass. Reused between calls: grows, never shrinks.
template <Scalar T>
struct RelationAggregateCache {
  /// For max: the winning slot of each (csr row, feature), (n_dst * relations, d), as unsigned
  /// integers of `arg_width` bytes; all ones = none (empty row).
  Buffer<std::byte> arg;
  int arg_width = 0;
  /// With l2_normalize: the norm of each row before division, (n_dst).
  Buffer<T> norm;
};

/// out[d] = post(self[d] + sum_r reduce_{e in row (d, r)} messages[cols[e]]).
/// messages (csr.message_rows, d); self (n_dst, d) or empty; out (n_dst, d).
template <Scalar T>
RELWEAVE_API void relation_aggregate(HostContext const& ctx, RelationCsrView<> const& csr,
                                     In<MatrixView<T const>> messages, In<MatrixView<T const>> self,
                                     RelationAggregateParams const& params, MatrixView<T> out,
                                     RelationAggregateCache<T>* cache = nullptr);

/// Overwrites grad_messages (message_rows, d) and, unless empty, grad_self (n_dst, d).
/// `out` and `cache` are those of the forward pass with the same csr and params.
template <Scalar T>
RELWEAVE_API void relation_aggregate_backward(HostContext const& ctx, RelationCsrView<> const& csr,
                                              In<MatrixView<T const>> out,
                                              RelationAggregateCache<T> const& cache,
                                              In<MatrixView<T const>> grad_out,
                                              RelationAggregateParams const& params,
                                              MatrixView<T> grad_messages, MatrixView<T> grad_self);

}  // namespace relweave::ops
