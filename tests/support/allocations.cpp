#include "allocations.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace relweave::test::allocations {

namespace {

std::atomic<std::size_t> least_bytes{0};
std::atomic<std::int64_t> count{0};

constexpr std::int64_t never = -1;
thread_local std::int64_t until_failure = never;
thread_local bool failed = false;

/// Null where there is no memory.
void* take(std::size_t bytes, std::size_t alignment) {
  if (bytes >= least_bytes.load(std::memory_order_relaxed)) {
    count.fetch_add(1, std::memory_order_relaxed);
  }
  std::size_t const rounded = (bytes + alignment - 1) / alignment * alignment;
  return std::aligned_alloc(alignment, rounded > 0 ? rounded : alignment);
}

void* allocate(std::size_t bytes, std::size_t alignment) {
  if (until_failure != never && until_failure-- == 0) {
    failed = true;
    throw std::bad_alloc();
  }
  void* const p = take(bytes, alignment);
  if (p == nullptr) {
    throw std::bad_alloc();
  }
  return p;
}

}  // namespace

void count_from(std::size_t bytes) {
  least_bytes = bytes;
  count = 0;
}

std::int64_t counted() {
  return count;
}

void fail_after(std::int64_t later) {
  failed = false;
  until_failure = later;
}

bool end_failures() {
  until_failure = never;
  return failed;
}

}  // namespace relweave::test::allocations

// What is not replaced here calls one of these.
void* operator new(std::size_t bytes) {
  return relweave::test::allocations::allocate(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return relweave::test::allocations::allocate(bytes, static_cast<std::size_t>(alignment));
}
// Callers have another way where this has no memory (std::stable_sort); it never fails here.
void* operator new(std::size_t bytes, std::nothrow_t const&) noexcept {
  return relweave::test::allocations::take(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
  std::free(p);
}
