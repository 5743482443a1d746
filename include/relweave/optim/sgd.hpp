#pragma once

#include <concepts>
#include <cstdint>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/cuda.hpp>
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
/// Numerics: in T; a gradient that is not finite makes its parameter so. Gradients in bfloat16 are
/// widened first; values and velocity are float then.
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
  void step(HostContext const& ctx, VectorView<T> values, VectorView<T const> gradients,
            double learning_rate);
  void step(HostContext const& ctx, VectorView<T> values, VectorView<bfloat16 const> gradients,
            double learning_rate) requires std::same_as<T, float>;

  /// A step in which only the given rows of a table move: each as a parameter of its own that is
  /// stepped when it is given, velocity and weight decay included.
  /// table (n, d) with n d = size, updated; rows (m) in any order, the gradients of one that is
  /// given twice add up; gradients (m, d). Cost: m log m + m d.
  /// Throws ShapeError, and IndexError for a row outside the table; nothing has changed then.
  void step_rows(HostContext const& ctx, MatrixView<T> table, VectorView<NodeId const> rows,
                 MatrixView<T const> gradients, double learning_rate);
  void step_rows(HostContext const& ctx, MatrixView<T> table, VectorView<NodeId const> rows,
                 MatrixView<bfloat16 const> gradients,
                 double learning_rate) requires std::same_as<T, float>;

  /// v, which is all that steps leave behind: (size), or empty without momentum. With dampening it
  /// is NaN where there was no step yet.
  VectorView<T const> velocity() const { return velocity_.view(); }
  /// Goes on from there, to the same bits. Throws ShapeError for another size.
  void restore(In<VectorView<T const>> velocity);

 private:
  template <typename G>
  void step_values(HostContext const& ctx, VectorView<T> values, VectorView<G const> gradients,
                   double learning_rate);
  template <typename G>
  void step_some_rows(HostContext const& ctx, MatrixView<T> table, VectorView<NodeId const> rows,
                      MatrixView<G const> gradients, double learning_rate);

  SgdConfig config_;
  std::int64_t size_;
  Buffer<T> velocity_;
};

/// Sgd<float> on a device. Velocity and learning rate lie in its memory, and only work on the
/// stream changes them: a step that a CUDA graph has captured takes the learning rate that was set
/// last.
/// Numerics:    in float, each operation rounded by itself: the bits of Sgd<float> on x86-64 with
///              Isa::baseline. Gradients in bfloat16 are widened first.
/// Cost:        one launch a step; 20 bytes per parameter and its gradient, 12 without momentum. No
///              workspace.
/// Determinism: run_to_run, and the same for any number of multiprocessors.
/// Throws:      as on the host; also NotCompiledError, DeviceError, CudaError.
class RELWEAVE_API DeviceSgd {
 public:
  /// A velocity of zeros, on the context's device and stream; steps are for this device.
  DeviceSgd(CudaContext const& ctx, SgdConfig const& config, std::int64_t size,
            double learning_rate);

  /// For the steps that follow on the stream. Between launches of a graph, not while it is
  /// captured: each launch would set this value again.
  void set_learning_rate(CudaContext const& ctx, double learning_rate);

  /// values, gradients (size); values are updated.
  void step(CudaContext const& ctx, VectorView<float, Space::device> values,
            VectorView<float const, Space::device> gradients);
  void step(CudaContext const& ctx, VectorView<float, Space::device> values,
            VectorView<bfloat16 const, Space::device> gradients);

  /// As Sgd::step_rows, for rows of which none is given twice. They may come from a kernel: they
  /// are trusted, not checked.
  void step_rows(CudaContext const& ctx, MatrixView<float, Space::device> table,
                 VectorView<NodeId const, Space::device> rows,
                 MatrixView<float const, Space::device> gradients);
  void step_rows(CudaContext const& ctx, MatrixView<float, Space::device> table,
                 VectorView<NodeId const, Space::device> rows,
                 MatrixView<bfloat16 const, Space::device> gradients);

 private:
  template <typename T>
  void step_values(CudaContext const& ctx, VectorView<float, Space::device> values,
                   VectorView<T const, Space::device> gradients);
  template <typename T>
  void step_some_rows(CudaContext const& ctx, MatrixView<float, Space::device> table,
                      VectorView<NodeId const, Space::device> rows,
                      MatrixView<T const, Space::device> gradients);

  SgdConfig config_;
  std::int64_t size_;
  Buffer<float, Space::device> learning_rate_;  // one
  Buffer<float, Space::device> velocity_;       // empty without momentum
};

}  // namespace relweave::optim
