#pragma once

#include <cstdint>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>

namespace relweave::optim {

struct SgdConfig {
  double momentum = 0;
  double dampening = 0;     ///< needs momentum
  double weight_decay = 0;  ///< added to the gradient
  bool nesterov = false;    ///< needs momentum without dampening
};

/// Stochastic gradient descent over `size` parameters: with g the gradient plus weight_decay times
/// the parameter,
///   v = momentum v + (1 - dampening) g,  but v = g in a parameter's first step,
///   parameter -= learning_rate (nesterov ? g + momentum v : v).
/// Numerics: in T; a gradient that is not finite makes its parameter so.
/// Determinism: any_thread_count.
/// Throws: ConfigError for a setting or learning rate that is negative or not finite, nesterov or
/// dampening without momentum, or both of them.
/// Source: Sutskever et al. 2013, On the importance of initialization and momentum (ICML), in
/// torch.optim.SGD's form: the velocity is not scaled by the learning rate.
template <Scalar T>
class RELWEAVE_API Sgd {
 public:
  Sgd(SgdConfig const& config, std::int64_t size);

  /// values, gradients (size); values are updated. Throws ShapeError for another size.
  void step(HostContext const& ctx, VectorView<T> values, In<VectorView<T const>> gradients,
            double learning_rate);

  /// A step in which only the given rows of a table move: each as a parameter of its own that is
  /// stepped when it is given, velocity and weight decay included.
  /// table (n, d) with n d = size, updated; rows (m) in any order, the gradients of one that is
  /// given twice add up; gradients (m, d). Cost: m log m + m d.
  /// Throws ShapeError, and IndexError for a row outside the table; nothing has changed then.
  void step_rows(HostContext const& ctx, MatrixView<T> table, In<VectorView<NodeId const>> rows,
                 In<MatrixView<T const>> gradients, double learning_rate);

  /// v, which is all that steps leave behind: (size), or empty without momentum. With dampening it
  /// is NaN where there was no step yet.
  VectorView<T const> velocity() const { return velocity_.view(); }
  /// Goes on from there, to the same bits. Throws ShapeError for another size.
  void restore(In<VectorView<T const>> velocity);

 private:
  SgdConfig config_;
  std::int64_t size_;
  Buffer<T> velocity_;
};

}  // namespace relweave::optim
