#pragma once

#include <cstdint>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::sampling {

/// Fills `out` with independent uniform draws from [0, node_count). Row r is a function of
/// (seed, step, r) alone. Determinism: any_thread_count.
/// Throws ConfigError when there is no node, or more than NodeId holds.
RELWEAVE_API void uniform_negatives(HostContext const& ctx, std::uint64_t seed, std::uint64_t step,
                                    std::int64_t node_count, MatrixView<NodeId> out);

/// Draws nodes with probability q proportional to count^power: 1 follows popularity, 0.75 is
/// word2vec's, 0 is uniform over the nodes that occur. A node that never occurs is never drawn.
/// Cost: constant per draw, by Walker's alias table.
/// Source: Mikolov et al. 2013 (arXiv 1310.4546), section 2.2; Vose 1991, IEEE TSE 17(9).
class RELWEAVE_API PopularityNegatives {
 public:
  /// Throws ConfigError for a negative count, no count above 0, or a power that is negative or not
  /// finite.
  PopularityNegatives(VectorView<std::int64_t const> counts, double power);

  /// As uniform_negatives.
  void draw(HostContext const& ctx, std::uint64_t seed, std::uint64_t step,
            MatrixView<NodeId> out) const;

  /// log q of every node, -infinity where q is 0: what a sampled softmax subtracts.
  VectorView<float const> log_q() const { return log_q_.view(); }

 private:
  Buffer<float> log_q_;
  Buffer<double> threshold_;  // of a column: below it the column's node, otherwise its alias
  Buffer<NodeId> alias_;
};

}  // namespace relweave::sampling
