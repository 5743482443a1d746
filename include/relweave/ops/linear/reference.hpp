#pragma once

#include <relweave/ops/linear/linear.hpp>

namespace relweave::ops::reference {

/// matmul on one thread in obvious loops with a double accumulator.
template <Scalar T>
void matmul(In<MatrixView<T const>> a, In<MatrixView<T const>> b, MatmulParams const& params,
            MatrixView<T> out) {
  bool const at = params.a == Transpose::yes;
  bool const bt = params.b == Transpose::yes;
  std::int64_t const inner = at ? a.rows : a.cols;
  for (std::int64_t i = 0; i < out.rows; ++i) {
    for (std::int64_t j = 0; j < out.cols; ++j) {
      double total = params.accumulate ? static_cast<double>(out(i, j)) : 0.0;
      for (std::int64_t k = 0; k < inner; ++k) {
        total += static_cast<double>(at ? a(k, i) : a(i, k)) *
                 static_cast<double>(bt ? b(j, k) : b(k, j));
      }
      out(i, j) = static_cast<T>(total);
    }
  }
}

/// linear on one thread in obvious loops with a double accumulator.
template <Scalar T>
void linear(In<MatrixView<T const>> x, In<MatrixView<T const>> weight, In<VectorView<T const>> bias,
            LinearParams const& params, MatrixView<T> out) {
  for (std::int64_t i = 0; i < out.rows; ++i) {
    for (std::int64_t j = 0; j < out.cols; ++j) {
      double total = bias.empty() ? 0.0 : static_cast<double>(bias[j]);
      total += params.accumulate ? static_cast<double>(out(i, j)) : 0.0;
      for (std::int64_t k = 0; k < x.cols; ++k) {
        total += static_cast<double>(x(i, k)) * static_cast<double>(weight(k, j));
      }
      out(i, j) = static_cast<T>(params.activation == Activation::relu && total < 0 ? 0.0 : total);
    }
  }
}

/// linear_backward on one thread in obvious loops with a double accumulator.
template <Scalar T>
void linear_backward(In<MatrixView<T const>> x, In<MatrixView<T const>> weight,
                     In<MatrixView<T const>> out, In<MatrixView<T const>> grad_out,
                     LinearParams const& params, LinearGradients<T> const& gradients) {
  auto const gradient = [&](std::int64_t i, std::int64_t j) {
    bool const passes = params.activation == Activation::identity || out(i, j) > 0;
    return passes ? static_cast<double>(grad_out(i, j)) : 0.0;
  };
  for (std::int64_t i = 0; i < gradients.sum.rows; ++i) {
    for (std::int64_t j = 0; j < gradients.sum.cols; ++j) {
      gradients.sum(i, j) = static_cast<T>(gradient(i, j));
    }
  }
  MatrixView<T> const grad_x = gradients.x;
  for (std::int64_t i = 0; i < grad_x.rows; ++i) {
    for (std::int64_t k = 0; k < grad_x.cols; ++k) {
      double total = gradients.accumulate_x ? static_cast<double>(grad_x(i, k)) : 0.0;
      for (std::int64_t j = 0; j < weight.cols; ++j) {
        total += gradient(i, j) * static_cast<double>(weight(k, j));
      }
      grad_x(i, k) = static_cast<T>(total);
    }
  }
  for (std::int64_t k = 0; k < gradients.weight.rows; ++k) {
    for (std::int64_t j = 0; j < gradients.weight.cols; ++j) {
      double total = gradients.weight(k, j);
      for (std::int64_t i = 0; i < x.rows; ++i) {
        total += static_cast<double>(x(i, k)) * gradient(i, j);
      }
      gradients.weight(k, j) = static_cast<T>(total);
    }
  }
  for (std::int64_t j = 0; j < gradients.bias.size; ++j) {
    double total = gradients.bias[j];
    for (std::int64_t i = 0; i < x.rows; ++i) {
      total += gradient(i, j);
    }
    gradients.bias[j] = static_cast<T>(total);
  }
}

}  // namespace relweave::ops::reference
