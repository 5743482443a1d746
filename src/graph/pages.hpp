#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace relweave::graph {

/// Move-only owner of `size` zeros, in pages that go back to the system at once: an allocator may
/// keep for later what it is given back, and a memory limit would not hold.
template <typename T>
class Pages {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Pages() = default;
  explicit Pages(std::int64_t size) : size_(size) {
    if (size > 0) {
      void* const pages = ::mmap(nullptr, bytes(), PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, /*fd=*/-1, /*offset=*/0);
      if (pages == MAP_FAILED) {
        throw std::bad_alloc();
      }
      data_ = static_cast<T*>(pages);
    }
  }
  Pages(Pages&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Pages& operator=(Pages&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Pages() {
    if (data_ != nullptr) {
      ::munmap(data_, bytes());
    }
  }

  bool empty() const { return size_ == 0; }
  std::int64_t size() const { return size_; }
  T* data() { return data_; }
  T const* data() const { return data_; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  T const* begin() const { return data_; }
  T const* end() const { return data_ + size_; }
  T& operator[](std::int64_t k) { return data_[k]; }
  T const& operator[](std::int64_t k) const { return data_[k]; }
  std::span<T> span() { return {data_, static_cast<std::size_t>(size_)}; }
  std::span<T const> span() const { return {data_, static_cast<std::size_t>(size_)}; }

 private:
  std::size_t bytes() const { return static_cast<std::size_t>(size_) * sizeof(T); }

  T* data_ = nullptr;
  std::int64_t size_ = 0;
};

}  // namespace relweave::graph
