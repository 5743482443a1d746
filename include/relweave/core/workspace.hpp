#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include <relweave/core/buffer.hpp>
#include <relweave/core/views.hpp>

namespace relweave {

/// Stack of scratch memory that grows to its high-water mark and is then reused: after the first
/// step of a loop no allocation happens. Not thread-safe; one per calling thread.
class Workspace {
 public:
  /// Hands out scratch until it is destroyed. Scopes nest; the innermost must end first.
  class Scope {
   public:
    explicit Scope(Workspace& workspace)
        : workspace_(workspace), block_(workspace.block_), used_(workspace.used_) {}
    ~Scope() { workspace_.rewind(block_, used_); }
    Scope(Scope const&) = delete;
    Scope& operator=(Scope const&) = delete;

    /// Uninitialised, aligned to host_alignment.
    template <typename T>
    VectorView<T> vector(std::int64_t size) {
      return {static_cast<T*>(workspace_.take(static_cast<std::size_t>(size) * sizeof(T))), size};
    }
    template <typename T>
    MatrixView<T> matrix(std::int64_t rows, std::int64_t cols) {
      return {vector<T>(rows * cols).data, rows, cols};
    }

   private:
    Workspace& workspace_;
    std::size_t block_;
    std::size_t used_;
  };

  /// Bytes held, used or not.
  std::size_t capacity() const {
    std::size_t total = 0;
    for (auto const& b : blocks_) {
      total += static_cast<std::size_t>(b.size());
    }
    return total;
  }

 private:
  void* take(std::size_t bytes) {
    bytes = (bytes + host_alignment - 1) / host_alignment * host_alignment;
    while (block_ < blocks_.size() &&
           used_ + bytes > static_cast<std::size_t>(blocks_[block_].size())) {
      ++block_;
      used_ = 0;
    }
    if (block_ == blocks_.size()) {
      // Doubling keeps the number of blocks logarithmic; 1 MiB covers most ops at once.
      std::size_t const size = std::max({bytes, capacity(), std::size_t{1} << 20});
      blocks_.emplace_back(static_cast<std::int64_t>(size));
      used_ = 0;
    }
    void* p = blocks_[block_].data() + used_;
    used_ += bytes;
    return p;
  }

  void rewind(std::size_t block, std::size_t used) {
    block_ = block;
    used_ = used;
    if (block == 0 && used == 0 && blocks_.size() > 1) {
      std::size_t const total = capacity();
      blocks_.clear();
      blocks_.emplace_back(static_cast<std::int64_t>(total));
    }
  }

  std::deque<Buffer<std::byte>> blocks_;
  std::size_t block_ = 0;
  std::size_t used_ = 0;
};

}  // namespace relweave
