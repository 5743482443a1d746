#pragma once

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::ops {

enum class Transpose { no, yes };

/// Multiply two matrices: out = op(a) op(b), or out += op(a) op(b) with accumulate.
/// Determinism: any_thread_count. Without transposes, row i of out depends, bit by bit, on row i of
/// a and on b alone: not on the rows around it or their number.
struct MatmulParams {
  Transpose a = Transpose::no;
  Transpose b = Transpose::no;
  bool accumulate = false;
};

template <Scalar T>
RELWEAVE_API void matmul(HostContext const& ctx, In<MatrixView<T const>> a,
                         In<MatrixView<T const>> b, MatmulParams const& params, MatrixView<T> out);

struct LinearParams {
  Activation activation = Activation::identity;
};

/// out = activation(x weight + bias).  x (m, k), weight (k, n), bias (n) or empty, out (m, n).
/// Determinism: any_thread_count, and a row of out does not depend on the rows around it.
template <Scalar T>
RELWEAVE_API void linear(HostContext const& ctx, In<MatrixView<T const>> x,
                         In<MatrixView<T const>> weight, In<VectorView<T const>> bias,
                         LinearParams const& params, MatrixView<T> out);

/// Where linear_backward writes; an empty view is skipped. `x` is overwritten (or added to with
/// accumulate_x); `weight` and `bias` are always added to.
template <Scalar T>
struct LinearGradients {
  MatrixView<T> x;
  MatrixView<T> weight;
  VectorView<T> bias;
  bool accumulate_x = false;
};

/// Gradients of linear from its output (needed by relu) and the gradient of that output.
template <Scalar T>
RELWEAVE_API void linear_backward(HostContext const& ctx, In<MatrixView<T const>> x,
                                  In<MatrixView<T const>> weight, In<MatrixView<T const>> out,
                                  In<MatrixView<T const>> grad_out, LinearParams const& params,
                                  LinearGradients<T> const& gradients);

}  // namespace relweave::ops
