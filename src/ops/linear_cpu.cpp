// Compiled once per instruction set with Eigen's namespace renamed; nothing but products in here.

#include <Eigen/Core>

#include <relweave/ops/detail/dense_product.hpp>
#include <relweave/ops/linear/cpu.hpp>

namespace relweave::ops::detail::RELWEAVE_ISA_NAMESPACE {

namespace {

template <typename T>
using RowMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <typename T>
using Input = Eigen::Map<RowMajor<T> const, 0, Eigen::OuterStride<>>;
template <typename T>
using Output = Eigen::Map<RowMajor<T>, 0, Eigen::OuterStride<>>;

/// Products with a transposed side, which only gradients have: Eigen's.
template <typename T>
void transposed_product(DenseProduct<T> const& p) {
  Input<T> const a(p.a, p.a_transposed ? p.k : p.m, p.a_transposed ? p.m : p.k,
                   Eigen::OuterStride<>(p.a_stride));
  Input<T> const b(p.b, p.b_transposed ? p.n : p.k, p.b_transposed ? p.k : p.n,
                   Eigen::OuterStride<>(p.b_stride));
  Output<T> c(p.c, p.m, p.n, Eigen::OuterStride<>(p.c_stride));
  if (!p.accumulate) {
    c.setZero();
  }
  if (p.a_transposed && p.b_transposed) {
    c.noalias() += a.transpose() * b.transpose();
  } else if (p.a_transposed) {
    c.noalias() += a.transpose() * b;
  } else {
    c.noalias() += a * b.transpose();
  }
}

template <typename T>
void dense_product(DenseProduct<T> const& p) {
  if (p.a_transposed || p.b_transposed) {
    transposed_product(p);
  } else {
    cpu::row_product(p);
  }
  if (p.bias != nullptr || p.relu) {
    for (std::int64_t r = 0; r < p.m; ++r) {
      T* const row = p.c + r * p.c_stride;
      for (std::int64_t j = 0; j < p.n; ++j) {
        T const value = p.bias != nullptr ? row[j] + p.bias[j] : row[j];
        row[j] = p.relu && value < 0 ? T{0} : value;
      }
    }
  }
}

}  // namespace

void dense_product_float(DenseProduct<float> const& p) {
  dense_product(p);
}
void dense_product_double(DenseProduct<double> const& p) {
  dense_product(p);
}

}  // namespace relweave::ops::detail::RELWEAVE_ISA_NAMESPACE
