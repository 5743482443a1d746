#pragma once

#include <cstddef>
#include <cstdint>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>
#include <relweave/graph/csr.hpp>
#include <relweave/ops/relation_aggregate/device_csr.hpp>

namespace relweave::ops {

struct RelationAggregateParams {
  Reduce reduce = Reduce::max;
  Activation activation = Activation::relu;
  bool l2_normalize = false;

  bool operator==(RelationAggregateParams const&) const = default;
};

/// What the backward pass needs of the forward pass, for T = bfloat16 that of float. Reused between
/// calls: grows, never shrinks.
template <Scalar T>
struct RelationAggregateCache {
  /// For max: the winning slot of each (csr row, feature), (n_dst * relations, d), as unsigned
  /// integers of `arg_width` bytes; all ones = none (empty row). One byte serves rows of up to 254
  /// edges, two serve 65,534.
  Buffer<std::byte> arg;
  int arg_width = 0;
  /// With l2_normalize: the norm of each row before division, (n_dst).
  Buffer<T> norm;
  /// Of which forward pass: a hash of the csr's sizes and contents (0: of none), and the
  /// parameters.
  std::uint64_t csr_fingerprint = 0;
  RelationAggregateParams params;
};

/// Aggregate every destination's neighbours relation by relation, add its own term, and finish the
/// layer: out[i] = post(self[i] + sum_r reduce_{e in row (i, r)} messages[cols[e]]), where post is
/// the activation, then with l2_normalize the division by the row's L2 norm.
/// Shapes:      messages (csr.message_rows, d); self (n_dst, d), or empty for zeros;
///              out (n_dst, d).
/// Numerics:    accumulates in Compute<T> (float for bfloat16, rounded once into out), relation
///              after relation; hub rows in chunks, merged in order. An empty row contributes 0.
///              The first maximum wins. A NaN wins over any number, so it reaches out, and relu
///              keeps it. Under l2_normalize a zero row stays zero, and finite rows of any scale
///              become unit rows.
/// Aliasing:    out may be self; messages may not overlap out.
/// Cost:        bandwidth bound: E (d sizeof(T) + 4) bytes gathered, 2 n_dst d sizeof(T) streamed,
///              with a cache n_dst relations d arg_width bytes of arg, and csr once more for its
///              fingerprint. Workspace: d (sizeof(T) + 4) bytes per chunk of a hub row; to check
///              csr, 24 bytes per 1,024 rows, of each relation where a pass for each may pay; for
///              bfloat16 then 4 n_dst d, or with l2_normalize 4 d per thread.
/// Determinism: any_thread_count: partitions depend on the sizes of the input alone.
/// Throws:      ShapeError when shapes disagree with csr; IndexError when csr's offsets descend or
///              leave cols, or a col is outside [0, message_rows).
/// Source:      Hamilton et al. 2017, Inductive Representation Learning on Large Graphs, alg. 1 and
///              eq. 3 (arXiv:1706.02216), per relation as in De Nadai et al. 2024, eqs. 1-3
///              (arXiv:2403.05185). The relation's transform comes before, one row per source.
template <HostScalar T>
RELWEAVE_API void relation_aggregate(HostContext const& ctx, RelationCsrView<> const& csr,
                                     In<MatrixView<T const>> messages, In<MatrixView<T const>> self,
                                     RelationAggregateParams const& params, MatrixView<T> out,
                                     RelationAggregateCache<Compute<T>>* cache = nullptr);

/// Gradients of relation_aggregate. With g = grad_out through L2 norm and activation:
/// grad_self = g; grad_messages[j] = sum of g[i] / (row's degree for mean, 1 otherwise) over the
/// edges (i, r) <- j, for max over those whose slot won, feature by feature. Overwrites both.
/// Shapes:      out, grad_out (n_dst, d), `out` and `cache` those of the forward pass with the same
///              csr and params; grad_messages (message_rows, d); grad_self (n_dst, d) or empty.
/// Numerics:    relu passes where out > 0. A row of norm 0 gives no gradient. Sums in Compute<T>,
///              in the order of i, then of relation and slot; bfloat16 rounds g, then each sum.
/// Aliasing:    grad_self may be grad_out; no other overlap.
/// Cost:        max: n_dst relations d scattered sums; mean and sum: E d. No transpose and no
///              atomics. Workspace: n_dst d T when g is not grad_out and grad_self is empty, per
///              thread one tile of columns of one relation's message rows where that fits a cache
///              or T is bfloat16, and 24 bytes per relation and 1,024 rows to check the csr.
/// Determinism: any_thread_count: tasks own columns of disjoint message rows.
/// Throws:      as the forward pass; ConfigError when the cache is of no forward pass, or of one
///              with other params; GraphError when it is of another csr, whose contents differ;
///              ShapeError when it is of another d.
/// Source:      derived from the formula of relation_aggregate.
template <HostScalar T>
RELWEAVE_API void relation_aggregate_backward(HostContext const& ctx, RelationCsrView<> const& csr,
                                              In<MatrixView<T const>> out,
                                              RelationAggregateCache<Compute<T>> const& cache,
                                              In<MatrixView<T const>> grad_out,
                                              RelationAggregateParams const& params,
                                              MatrixView<T> grad_messages, MatrixView<T> grad_self);

/// RelationAggregateCache on a device. Slots of empty rows are not written: nothing reads them.
class RELWEAVE_API RelationAggregateDeviceCache {
 public:
  /// Makes room for a forward pass with these arguments; allocates only to grow.
  void reserve(CudaContext const& ctx, DeviceCsr const& csr, std::int64_t d,
               RelationAggregateParams const& params);

  Buffer<std::byte, Space::device> arg;
  int arg_width = 0;
  Buffer<float, Space::device> norm;
  std::uint64_t csr_fingerprint = 0;
  RelationAggregateParams params;
};

/// Bytes of workspace that a forward and a backward pass take, one after the other.
RELWEAVE_API std::int64_t relation_aggregate_workspace(DeviceCsr const& csr, std::int64_t d);

/// relation_aggregate on a device: the same result, sums in float in the order of the edges, max
/// and its slots bit for bit. Two launches with hubs, one without.
/// Determinism: run_to_run, and the same for any number of multiprocessors.
/// Throws:      as on the host; also ConfigError when the cache or the workspace was not reserved
///              for these arguments; NotCompiledError, DeviceError, CudaError.
template <DeviceScalar T>
RELWEAVE_API void relation_aggregate(CudaContext const& ctx, DeviceCsr const& csr,
                                     In<MatrixView<T const, Space::device>> messages,
                                     In<MatrixView<T const, Space::device>> self,
                                     RelationAggregateParams const& params,
                                     MatrixView<T, Space::device> out,
                                     RelationAggregateDeviceCache* cache = nullptr);

/// relation_aggregate_backward on a device: gathers over the transpose, no atomics. grad_self is
/// written even where it is grad_out, and must be given unless the activation is identity without
/// l2_normalize: it holds the gradient that the messages' gradients are gathered from.
template <DeviceScalar T>
RELWEAVE_API void relation_aggregate_backward(CudaContext const& ctx, DeviceCsr const& csr,
                                              In<MatrixView<T const, Space::device>> out,
                                              RelationAggregateDeviceCache const& cache,
                                              In<MatrixView<T const, Space::device>> grad_out,
                                              RelationAggregateParams const& params,
                                              MatrixView<T, Space::device> grad_messages,
                                              MatrixView<T, Space::device> grad_self);

}  // namespace relweave::ops
