#include <relweave/core/buffer.hpp>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace relweave::detail {

namespace {

// Rows gathered at random miss the address translation of small pages more often than the cache:
// from here on memory is asked for in large ones. NumPy does the same.
constexpr std::size_t large_bytes = std::size_t{4} << 20;
constexpr std::size_t large_page = std::size_t{2} << 20;

std::align_val_t alignment_of(std::size_t bytes) {
  return std::align_val_t{bytes < large_bytes ? host_alignment : large_page};
}

}  // namespace

void* SpaceAllocator<Space::host>::allocate(std::size_t bytes) {
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

void SpaceAllocator<Space::host>::release(void* p, std::size_t bytes) noexcept {
  if (p != nullptr) {
    ::operator delete(p, alignment_of(bytes));
  }
}

}  // namespace relweave::detail
