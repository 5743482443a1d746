#pragma once

#include <cstdint>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>

namespace relweave::optim {

struct AdamConfig {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;  ///< added to the gradient, as torch.optim.Adam does
};

/// Adam with bias correction over `size` parameters: with g the gradient plus weight_decay times
/// the parameter, at step t
///   m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2,
///   parameter -= learning_rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon).
/// Numerics: in T; a gradient that is not finite makes its parameter so.
/// Determinism: any_thread_count.
/// Throws: ConfigError for a beta outside [0, 1), or another setting or learning rate that is
/// negative or not finite.
/// Source: Kingma & Ba 2015, algorithm 1 (arXiv 1412.6980), in torch.optim.Adam's form.
template <Scalar T>
class RELWEAVE_API Adam {
 public:
  Adam(AdamConfig const& config, std::int64_t size);

  /// values, gradients (size); values are updated. Throws ShapeError for another size.
  void step(HostContext const& ctx, VectorView<T> values, In<VectorView<T const>> gradients,
            double learning_rate);

  /// A step in which only the given rows of a table move, and only their moments; t counts all
  /// steps. As torch.optim.SparseAdam, epsilon is added to sqrt(v) before its correction.
  /// table (n, d) with n d = size, updated; rows (m) in any order, the gradients of one that is
  /// given twice add up; gradients (m, d). Cost: m log m + m d.
  /// Throws ShapeError, and IndexError for a row outside the table; nothing has changed then.
  void step_rows(HostContext const& ctx, MatrixView<T> table, In<VectorView<NodeId const>> rows,
                 In<MatrixView<T const>> gradients, double learning_rate);

  /// What steps leave behind: t, m and v, (size) each.
  std::int64_t steps() const { return steps_; }
  VectorView<T const> mean() const { return mean_.view(); }
  VectorView<T const> square() const { return square_.view(); }
  /// Goes on from there, to the same bits. Throws ShapeError for another size, ConfigError for a
  /// negative t; nothing has changed then.
  void restore(std::int64_t steps, In<VectorView<T const>> mean, In<VectorView<T const>> square);

 private:
  AdamConfig config_;
  std::int64_t steps_ = 0;
  Buffer<T> mean_;
  Buffer<T> square_;
};

}  // namespace relweave::optim
