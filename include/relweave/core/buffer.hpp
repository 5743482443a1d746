#pragma once

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <limits>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave {

/// Alignment of host allocations: one cache line and one AVX-512 vector.
inline constexpr std::size_t host_alignment = 64;

namespace detail {

template <Space S>
struct SpaceAllocator;

template <>
struct SpaceAllocator<Space::host> {
  // Rows gathered at random miss the address translation of small pages more often than the cache:
  // from here on memory is asked for in large ones. NumPy does the same.
  static constexpr std::size_t large_bytes = std::size_t{4} << 20;
  static constexpr std::size_t large_page = std::size_t{2} << 20;

  static void* allocate(std::size_t bytes) {
    if (bytes == 0) {
      return nullptr;
    }
    void* const p = ::operator new(bytes, alignment_of(bytes));
#if defined(__linux__)
    if (bytes >= large_bytes) {
      madvise(p, bytes, MADV_HUGEPAGE);  // a wish: without it, small pages do
    }
#endif
    return p;
  }
  static void release(void* p, std::size_t bytes) noexcept {
    if (p != nullptr) {
      ::operator delete(p, alignment_of(bytes));
    }
  }

 private:
  static std::align_val_t alignment_of(std::size_t bytes) {
    return std::align_val_t{bytes < large_bytes ? host_alignment : large_page};
  }
};

/// On the current device; throws CudaError with the bytes asked for and free when there is no room,
/// NotCompiledError in a build without CUDA.
template <>
struct SpaceAllocator<Space::device> {
  RELWEAVE_API static void* allocate(std::size_t bytes);
  RELWEAVE_API static void release(void* p, std::size_t bytes) noexcept;
};

}  // namespace detail

/// Move-only owner of `size` elements in one memory space; elements start uninitialised.
template <typename T, Space S = Space::host>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Buffer() = default;
  explicit Buffer(std::int64_t size) : size_(size), capacity_(size) {
    data_ = static_cast<T*>(detail::SpaceAllocator<S>::allocate(bytes(size)));
  }
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  Buffer(Buffer const&) = delete;
  Buffer& operator=(Buffer const&) = delete;
  ~Buffer() { detail::SpaceAllocator<S>::release(data_, bytes(capacity_)); }

  /// Host buffer with the same value everywhere.
  static Buffer filled(std::int64_t size, T value) requires(S == Space::host) {
    Buffer b(size);
    std::fill_n(b.data_, size, value);
    return b;
  }
  static Buffer zeros(std::int64_t size) requires(S == Space::host) { return filled(size, T{}); }
  static Buffer copy_of(std::span<T const> values) requires(S == Space::host) {
    Buffer b(static_cast<std::int64_t>(values.size()));
    std::copy(values.begin(), values.end(), b.data_);
    return b;
  }

  std::int64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return data_; }
  T const* data() const { return data_; }
  VectorView<T, S> view() { return {data_, size_}; }
  VectorView<T const, S> view() const { return {data_, size_}; }

  /// Makes `size` elements available without keeping their values. Allocates only to grow, then by
  /// at least a quarter: sizes that change a little from step to step soon fit.
  void reset(std::int64_t size) {
    if (size > capacity_) {
      *this = Buffer(std::max(size, capacity_ + capacity_ / 4));
    }
    size_ = size;
  }

 private:
  static std::size_t bytes(std::int64_t size) { return static_cast<std::size_t>(size) * sizeof(T); }

  T* data_ = nullptr;
  std::int64_t size_ = 0;
  std::int64_t capacity_ = 0;
};

/// Move-only owner of a contiguous row-major matrix; elements start uninitialised.
template <typename T, Space S = Space::host>
class Matrix {
 public:
  Matrix() = default;
  Matrix(std::int64_t rows, std::int64_t cols) : data_(rows * cols), rows_(rows), cols_(cols) {}

  static Matrix zeros(std::int64_t rows, std::int64_t cols) requires(S == Space::host) {
    Matrix m(rows, cols);
    std::fill_n(m.data(), rows * cols, T{});
    return m;
  }
  /// Row-major literal, for tests and examples.
  static Matrix from_rows(std::initializer_list<std::initializer_list<T>> rows) requires(
      S == Space::host) {
    Matrix m(static_cast<std::int64_t>(rows.size()),
             rows.size() == 0 ? 0 : static_cast<std::int64_t>(rows.begin()->size()));
    T* out = m.data();
    for (auto const& row : rows) {
      out = std::copy(row.begin(), row.end(), out);
    }
    return m;
  }
  static Matrix copy_of(MatrixView<T const, S> source) requires(S == Space::host) {
    Matrix m(source.rows, source.cols);
    for (std::int64_t r = 0; r < source.rows; ++r) {
      std::copy_n(source.row_data(r), source.cols, m.data() + r * source.cols);
    }
    return m;
  }

  std::int64_t rows() const { return rows_; }
  std::int64_t cols() const { return cols_; }
  bool empty() const { return rows_ == 0 || cols_ == 0; }
  T* data() { return data_.data(); }
  T const* data() const { return data_.data(); }
  MatrixView<T, S> view() { return {data_.data(), rows_, cols_}; }
  MatrixView<T const, S> view() const { return {data_.data(), rows_, cols_}; }

  /// Makes (rows, cols) elements available without keeping their values. Allocates only to grow.
  void reset(std::int64_t rows, std::int64_t cols) {
    data_.reset(rows * cols);
    rows_ = rows;
    cols_ = cols;
  }

 private:
  Buffer<T, S> data_;
  std::int64_t rows_ = 0;
  std::int64_t cols_ = 0;
};

}  // namespace relweave
