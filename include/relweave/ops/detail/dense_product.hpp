#pragma once

#include <cstdint>

namespace relweave::ops::detail {

/// One block of a dense product, row-major with strides: c (m, n) = or += op(a) op(b), then, unless
/// bias is null, c = c + bias by row, then relu if asked. The transposed operand is stored (k, m)
/// or (n, k).
template <typename T>
struct DenseProduct {
  T const* a;
  std::int64_t a_stride;
  bool a_transposed;
  T const* b;
  std::int64_t b_stride;
  bool b_transposed;
  T* c;
  std::int64_t c_stride;
  std::int64_t m, n, k;
  bool accumulate;
  T const* bias;
  bool relu;
};

template <typename T>
using DenseProductFunction = void (*)(DenseProduct<T> const&);

}  // namespace relweave::ops::detail
