#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "emulation/block.hpp"
#include "emulation/control.hpp"
#include "emulation/grid.hpp"

namespace emulation {

namespace {

/// Lends fibers, whose stacks are worth keeping, to the threads that run blocks.
class FiberPools {
 public:
  using Lease = std::unique_ptr<FiberPool, void (*)(FiberPool*)>;

  static Lease lease() {
    std::unique_ptr<FiberPool> pool;
    {
      std::scoped_lock const lock(mutex_);
      if (!idle_.empty()) {
        pool = std::move(idle_.back());
        idle_.pop_back();
      }
    }
    if (pool) {
      pool->abandon_all();  // a fiber must not go on in another thread
    } else {
      pool = std::make_unique<FiberPool>(&Block::run_thread);
    }
    return {pool.release(), [](FiberPool* returned) {
              std::scoped_lock const lock(mutex_);
              idle_.emplace_back(returned);
            }};
  }

 private:
  static inline std::mutex mutex_;
  static inline std::vector<std::unique_ptr<FiberPool>> idle_;
};

/// The order in which blocks start: ascending, descending, or in strides drawn from the seed.
class BlockOrder {
 public:
  BlockOrder(std::uint64_t blocks, std::uint64_t seed) : blocks_(blocks), seed_(seed) {
    if (seed > 1) {
      stride_ = seed * 0x9E3779B97F4A7C15U % blocks + 1;
      while (std::gcd(stride_, blocks) != 1) {
        ++stride_;
      }
      stride_ %= blocks;
    }
  }

  std::uint64_t operator()(std::uint64_t k) const {
    if (seed_ <= 1) {
      return seed_ == 0 ? k : blocks_ - 1 - k;
    }
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>(static_cast<Wide>(k) * stride_ % blocks_);
  }

 private:
  std::uint64_t blocks_;
  std::uint64_t seed_;
  std::uint64_t stride_ = 1;
};

}  // namespace

void run_grid(Grid const& grid) {
  Settings const settings = emulation::settings();
  std::uint64_t const blocks = std::uint64_t{grid.grid.x} * grid.grid.y * grid.grid.z;
  BlockOrder const order(blocks, settings.order);
  std::atomic<std::uint64_t> next{0};
  std::mutex failure_mutex;
  std::exception_ptr failure;

  auto const work = [&] {
    try {
      FiberPools::Lease const fibers = FiberPools::lease();
      Block block(grid, settings.order, *fibers);
      for (std::uint64_t k; (k = next.fetch_add(1)) < blocks;) {
        std::uint64_t const linear = order(k);
        std::uint64_t const row = linear / grid.grid.x;
        block.run({static_cast<unsigned>(linear % grid.grid.x),
                   static_cast<unsigned>(row % grid.grid.y),
                   static_cast<unsigned>(row / grid.grid.y)});
      }
    } catch (...) {
      next = blocks;
      std::scoped_lock const lock(failure_mutex);
      failure = failure ? failure : std::current_exception();
    }
  };
  {
    std::vector<std::jthread> helpers;
    auto const threads = std::min<std::uint64_t>(static_cast<unsigned>(settings.threads), blocks);
    for (std::uint64_t t = 1; t < threads; ++t) {
      helpers.emplace_back(work);
    }
    work();
  }
  if (failure) {
    std::rethrow_exception(failure);
  }
}

}  // namespace emulation
