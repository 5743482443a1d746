#pragma once

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::ops {

enum class Transpose { no, yes };

struct MatmulParams {
  Transpose a = Transpose::no;
  Transpose b = Transpose::no;
  /// Add to `out` instead of overwriting it.
  bool accumulate = false;
};

/// Multiply two matrices: out = op(a) op(b), or out += op(a) op(b) with accumulate.
/// Shapes:      op(a) (m, k), op(b) (k, n), where op transposes a stored (k, m) or (n, k) if asked;
///              out (m, n). With k = 0 the product is 0.
/// Numerics:    accumulates in T. Without transposes, each element is one chain of multiply-adds in
///              the order of k, and row i of out depends, bit by bit, on row i of a and on b alone:
///              not on the rows around it or their number. NaN follows the arithmetic.
/// Aliasing:    out may not overlap a or b.
/// Cost:        2 m k n operations. Workspace: none without transposes, 48 KiB of each thread's
///              stack; with them, the blocks that Eigen packs, which it allocates.
/// Determinism: any_thread_count: blocks of rows depend on m, n and k alone.
/// Throws:      ShapeError when b or out do not fit.
/// Source:      Goto and van de Geijn 2008, Anatomy of High-Performance Matrix Multiplication
///              (doi:10.1145/1356052.1356053): tiles in registers, panels in the cache. Only b is
///              copied into panels. Transposed sides, which gradients have, are Eigen's.
template <Scalar T>
RELWEAVE_API void matmul(HostContext const& ctx, In<MatrixView<T const>> a,
                         In<MatrixView<T const>> b, MatmulParams const& params, MatrixView<T> out);

struct LinearParams {
  Activation activation = Activation::identity;
  /// Add what `out` holds before the activation.
  bool accumulate = false;
};

/// Apply a dense layer: out = activation(x weight + bias), or with accumulate
/// out = activation(out + x weight + bias).
/// Shapes:      x (m, k); weight (k, n); bias (n), or empty for none; out (m, n).
/// Numerics:    as matmul without transposes; then the bias is added, then relu, which keeps NaN.
///              A row of out does not depend on the rows around it.
/// Aliasing:    out may not overlap x, weight or bias.
/// Cost:        2 m k n operations; bias and activation walk each block of out once more. No
///              workspace, 48 KiB of each thread's stack.
/// Determinism: any_thread_count, as matmul.
/// Throws:      ShapeError when weight, bias or out do not fit.
/// Source:      as matmul.
template <Scalar T>
RELWEAVE_API void linear(HostContext const& ctx, In<MatrixView<T const>> x,
                         In<MatrixView<T const>> weight, In<VectorView<T const>> bias,
                         LinearParams const& params, MatrixView<T> out);

/// Where linear_backward writes; an empty view is skipped. `x` is overwritten, or added to with
/// accumulate_x; `weight` and `bias` are always added to. `sum` is the gradient of what the
/// activation was given, and so of what `out` held before under LinearParams::accumulate: it is
/// overwritten.
template <Scalar T>
struct LinearGradients {
  MatrixView<T> x;
  MatrixView<T> weight;
  VectorView<T> bias;
  MatrixView<T> sum;
  bool accumulate_x = false;
};

/// Gradients of linear. With g = grad_out where activation passes it:
/// x = g weight^T, weight += x^T g, bias += the sum of g's rows.
/// Shapes:      x (m, k); weight (k, n); grad_out (m, n); out (m, n), that of the forward pass,
///              read for relu alone; gradients of the shapes of what they belong to, or empty.
/// Numerics:    relu passes where out > 0. Sums in T; that of bias in the order of the rows.
/// Aliasing:    gradients may overlap neither each other nor an input.
/// Cost:        2 m k n operations for each of x and weight; m n for bias, on the calling thread.
///              Workspace: m n T with relu unless `sum` is given; the blocks that Eigen packs,
///              which it allocates.
/// Determinism: any_thread_count, as matmul.
/// Throws:      ShapeError when an argument does not fit, before anything is written.
/// Source:      derived from the formula of linear.
template <Scalar T>
RELWEAVE_API void linear_backward(HostContext const& ctx, In<MatrixView<T const>> x,
                                  In<MatrixView<T const>> weight, In<MatrixView<T const>> out,
                                  In<MatrixView<T const>> grad_out, LinearParams const& params,
                                  LinearGradients<T> const& gradients);

/// matmul on a device, by cuBLAS. A row of out may depend on the number of rows: cuBLAS chooses its
/// tiles by it. The first product of a shape on a thread cannot be captured in a CUDA graph.
/// Numerics:    sums in float.
/// Cost:        2 m k n operations. Workspace: linear_workspace.
/// Determinism: run_to_run on one type of device.
/// Throws:      as on the host; ConfigError without workspace; NotCompiledError, DeviceError,
///              CudaError.
template <DeviceScalar T>
RELWEAVE_API void matmul(CudaContext const& ctx, In<MatrixView<T const, Space::device>> a,
                         In<MatrixView<T const, Space::device>> b, MatmulParams const& params,
                         MatrixView<T, Space::device> out);

/// linear on a device, by cuBLAS, which adds bias and activation to the product's last step.
/// Numerics:    as matmul on a device; NaN may become 0 under relu.
/// Cost, determinism, throws: as matmul on a device.
template <DeviceScalar T>
RELWEAVE_API void linear(CudaContext const& ctx, In<MatrixView<T const, Space::device>> x,
                         In<MatrixView<T const, Space::device>> weight,
                         In<VectorView<T const, Space::device>> bias, LinearParams const& params,
                         MatrixView<T, Space::device> out);

/// As LinearGradients; gradients of parameters are sums over many rows, and float whatever T is.
template <DeviceScalar T>
struct DeviceLinearGradients {
  MatrixView<T, Space::device> x;
  MatrixView<float, Space::device> weight;
  VectorView<float, Space::device> bias;
  MatrixView<T, Space::device> sum;
  bool accumulate_x = false;
};

/// linear_backward on a device. Workspace: linear_workspace, and with relu or bias what
/// linear_backward_workspace says.
template <DeviceScalar T>
RELWEAVE_API void linear_backward(CudaContext const& ctx, In<MatrixView<T const, Space::device>> x,
                                  In<MatrixView<T const, Space::device>> weight,
                                  In<MatrixView<T const, Space::device>> out,
                                  In<MatrixView<T const, Space::device>> grad_out,
                                  LinearParams const& params,
                                  DeviceLinearGradients<T> const& gradients);

/// Bytes of workspace that matmul and linear take on a device, whatever their size.
RELWEAVE_API std::int64_t linear_workspace();
/// Bytes of workspace that linear_backward takes for grad_out (m, n) of elements of
/// `element_bytes`.
RELWEAVE_API std::int64_t linear_backward_workspace(std::int64_t m, std::int64_t n,
                                                    std::int64_t element_bytes);

namespace detail {

template <typename T, Space S>
struct LinearGradientsOf {
  using Type = LinearGradients<T>;
};
template <typename T>
struct LinearGradientsOf<T, Space::device> {
  using Type = DeviceLinearGradients<T>;
};

}  // namespace detail

/// The gradients of linear in a space, for code that is the same for both.
template <typename T, Space S>
using LinearGradientsOf = typename detail::LinearGradientsOf<T, S>::Type;

}  // namespace relweave::ops
