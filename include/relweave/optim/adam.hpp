#pragma once

#include <concepts>
#include <cstdint>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/cuda.hpp>
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
/// Numerics: in T; a gradient that is not finite makes its parameter so. Gradients in bfloat16 are
/// widened first; values and moments are float then, since steps are too small for 8 bits.
/// Determinism: any_thread_count.
/// Throws: ConfigError for a beta outside [0, 1), or another setting or learning rate that is
/// negative or not finite.
/// Source: Kingma & Ba 2015, algorithm 1 (arXiv 1412.6980), in torch.optim.Adam's form.
template <Scalar T>
class RELWEAVE_API Adam {
 public:
  Adam(AdamConfig const& config, std::int64_t size);

  /// values, gradients (size); values are updated. Throws ShapeError for another size.
  void step(HostContext const& ctx, VectorView<T> values, VectorView<T const> gradients,
            double learning_rate);
  void step(HostContext const& ctx, VectorView<T> values, VectorView<bfloat16 const> gradients,
            double learning_rate) requires std::same_as<T, float>;

  /// A step in which only the given rows of a table move, and only their moments; t counts all
  /// steps. As torch.optim.SparseAdam, epsilon is added to sqrt(v) before its correction.
  /// table (n, d) with n d = size, updated; rows (m) in any order, the gradients of one that is
  /// given twice add up; gradients (m, d). Cost: m log m + m d.
  /// Throws ShapeError, and IndexError for a row outside the table; nothing has changed then.
  void step_rows(HostContext const& ctx, MatrixView<T> table, VectorView<NodeId const> rows,
                 MatrixView<T const> gradients, double learning_rate);
  void step_rows(HostContext const& ctx, MatrixView<T> table, VectorView<NodeId const> rows,
                 MatrixView<bfloat16 const> gradients,
                 double learning_rate) requires std::same_as<T, float>;

  /// What steps leave behind: t, m and v, (size) each.
  std::int64_t steps() const { return steps_; }
  VectorView<T const> mean() const { return mean_.view(); }
  VectorView<T const> square() const { return square_.view(); }
  /// Goes on from there, to the same bits. Throws ShapeError for another size, ConfigError for a
  /// negative t; nothing has changed then.
  void restore(std::int64_t steps, In<VectorView<T const>> mean, In<VectorView<T const>> square);

 private:
  template <typename G>
  void step_values(HostContext const& ctx, VectorView<T> values, VectorView<G const> gradients,
                   double learning_rate);
  template <typename G>
  void step_some_rows(HostContext const& ctx, MatrixView<T> table, VectorView<NodeId const> rows,
                      MatrixView<G const> gradients, double learning_rate);

  AdamConfig config_;
  std::int64_t steps_ = 0;
  Buffer<T> mean_;
  Buffer<T> square_;
};

namespace detail {

/// What changes from step to step.
struct AdamState {
  double learning_rate;
  std::int64_t steps;
  float step;             ///< the factor of the mean, of the step that is on its way
  float root_correction;  ///< divides the root of the square, likewise
};

}  // namespace detail

/// Adam<float> on a device. Moments, the number of steps and the learning rate lie in its memory,
/// and only work on the stream changes them: a step that a CUDA graph has captured is the next step
/// each time the graph is launched, with the learning rate that was set last.
/// Numerics:    in float, each operation rounded by itself: the bits of Adam<float> on x86-64 with
///              Isa::baseline, unless the device's pow of a beta differs in its last place.
///              Gradients in bfloat16 are widened first.
/// Cost:        two launches a step; 24 bytes per parameter and its gradient. No workspace.
/// Determinism: run_to_run, and the same for any number of multiprocessors.
/// Throws:      as on the host; also NotCompiledError, DeviceError, CudaError.
class RELWEAVE_API DeviceAdam {
 public:
  /// Moments of zeros, on the context's device and stream; steps are for this device.
  DeviceAdam(CudaContext const& ctx, AdamConfig const& config, std::int64_t size,
             double learning_rate);

  /// For the steps that follow on the stream. Between launches of a graph, not while it is
  /// captured: each launch would set this value again.
  void set_learning_rate(CudaContext const& ctx, double learning_rate);

  /// values, gradients (size); values are updated.
  void step(CudaContext const& ctx, VectorView<float, Space::device> values,
            VectorView<float const, Space::device> gradients);
  void step(CudaContext const& ctx, VectorView<float, Space::device> values,
            VectorView<bfloat16 const, Space::device> gradients);

  /// As Adam::step_rows, for rows of which none is given twice. They may come from a kernel: they
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

  AdamConfig config_;
  Buffer<detail::AdamState, Space::device> state_;  // one
  Buffer<float, Space::device> mean_;
  Buffer<float, Space::device> square_;
};

}  // namespace relweave::optim
