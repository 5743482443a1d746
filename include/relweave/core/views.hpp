#pragma once

#include <cassert>
#include <cstdint>
#include <type_traits>

#include <relweave/core/config.hpp>
#include <relweave/core/types.hpp>

namespace relweave {

namespace detail {

/// True when a view of From may become a view of To: the same type, or the same with const added.
template <typename From, typename To>
concept AddsConst = std::is_same_v<From const, To> && !std::is_same_v<From, To>;

}  // namespace detail

/// Non-owning, contiguous sequence of `size` elements. Trivially copyable; pass by value.
/// Host code that indexes a device view does not compile.
template <typename T, Space S = Space::host>
struct VectorView {
  T* data = nullptr;
  std::int64_t size = 0;

  constexpr VectorView() = default;
  RELWEAVE_HOST_DEVICE constexpr VectorView(T* data_, std::int64_t size_)
      : data(data_), size(size_) {}

  template <typename U>
  requires detail::AddsConst<U, T> RELWEAVE_HOST_DEVICE constexpr VectorView(VectorView<U, S> other)
      : data(other.data), size(other.size) {}

  RELWEAVE_HOST_DEVICE constexpr bool empty() const { return size == 0; }

  constexpr T& operator[](std::int64_t i) const requires(S == Space::host) {
    assert(i >= 0 && i < size);
    return data[i];
  }
#if defined(__CUDACC__)
  RELWEAVE_DEVICE T& operator[](std::int64_t i) const requires(S == Space::device) {
    return data[i];
  }
#endif

  constexpr T* begin() const requires(S == Space::host) {
    return data;
  }
  constexpr T* end() const requires(S == Space::host) {
    return data + size;
  }

  RELWEAVE_HOST_DEVICE constexpr VectorView slice(std::int64_t first, std::int64_t count) const {
    return {data + first, count};
  }
};

/// Non-owning, row-major matrix; `stride` is the distance between rows in elements (>= cols).
/// Trivially copyable; pass by value. Every index product is 64-bit.
template <typename T, Space S = Space::host>
struct MatrixView {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;

  constexpr MatrixView() = default;
  RELWEAVE_HOST_DEVICE constexpr MatrixView(T* data_, std::int64_t rows_, std::int64_t cols_)
      : data(data_), rows(rows_), cols(cols_), stride(cols_) {}
  RELWEAVE_HOST_DEVICE constexpr MatrixView(T* data_, std::int64_t rows_, std::int64_t cols_,
                                            std::int64_t stride_)
      : data(data_), rows(rows_), cols(cols_), stride(stride_) {}

  template <typename U>
  requires detail::AddsConst<U, T> RELWEAVE_HOST_DEVICE constexpr MatrixView(MatrixView<U, S> other)
      : data(other.data), rows(other.rows), cols(other.cols), stride(other.stride) {}

  /// True when there is nothing to read or write; ops take an empty matrix as "not given".
  RELWEAVE_HOST_DEVICE constexpr bool empty() const { return rows == 0 || cols == 0; }
  RELWEAVE_HOST_DEVICE constexpr bool contiguous() const { return stride == cols || rows <= 1; }

  constexpr T& operator()(std::int64_t r, std::int64_t c) const requires(S == Space::host) {
    assert(r >= 0 && r < rows && c >= 0 && c < cols);
    return data[r * stride + c];
  }
#if defined(__CUDACC__)
  RELWEAVE_DEVICE T& operator()(std::int64_t r, std::int64_t c) const requires(S == Space::device) {
    return data[r * stride + c];
  }
#endif

  RELWEAVE_HOST_DEVICE constexpr T* row_data(std::int64_t r) const {
    return data + r * stride;
  }
  RELWEAVE_HOST_DEVICE constexpr VectorView<T, S> row(std::int64_t r) const {
    return {data + r * stride, cols};
  }
  RELWEAVE_HOST_DEVICE constexpr MatrixView row_slice(std::int64_t first,
                                                      std::int64_t count) const {
    return {data + first * stride, count, cols, stride};
  }
  RELWEAVE_HOST_DEVICE constexpr MatrixView col_slice(std::int64_t first,
                                                      std::int64_t count) const {
    return {data + first, rows, count, stride};
  }
};

}  // namespace relweave
