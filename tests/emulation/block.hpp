#pragma once

#include <cuda_runtime.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "emulation/error.hpp"
#include "emulation/fiber.hpp"
#include "emulation/grid.hpp"
#include "emulation/limits.hpp"

namespace emulation {

enum class WarpOp : std::uint8_t {
  sync,
  shuffle,
  shuffle_up,
  shuffle_down,
  shuffle_xor,
  ballot,
  any,
  all,
  match_any,
  reduce_add,
  reduce_min,
  reduce_max,
  reduce_min_signed,
  reduce_max_signed,
  reduce_and,
  reduce_or,
  reduce_xor,
};

inline unsigned bit(int lane) {
  return 1U << lane;
}

/// One CUDA thread of the block that runs.
struct DeviceThread {
  enum class Status : std::uint8_t { unstarted, ready, in_warp_op, at_barrier, exited };

  uint3 index{};
  int warp = 0;
  int lane = 0;
  Status status = Status::exited;
  Fiber* fiber = nullptr;
  std::uint64_t value = 0;  // what it gives to a warp operation, then what it got
  int source = 0;           // the lane that a shuffle reads, or -1: none
};

/// The blocks of one grid that one thread of the system runs, one after the other. CUDA threads
/// take turns: each runs until it waits for others, in an order that the seed decides.
class Block {
 public:
  Block(Grid const& grid, std::uint64_t lane_order, FiberPool& fibers);
  ~Block();
  Block(Block const&) = delete;
  Block& operator=(Block const&) = delete;

  /// Runs the block at `index` to its end.
  void run(uint3 index);

  // What device code sees; each is called by the thread that runs.
  static Block& current() { return *current_; }
  static DeviceThread& thread() { return *thread_; }
  dim3 const& grid_size() const { return grid_.grid; }
  dim3 const& block_size() const { return grid_.block; }
  uint3 const& index() const { return index_; }

  /// Waits for all threads that have not exited, and returns how many gave a true `predicate`.
  int barrier(char const* name, bool predicate, Site site);

  /// Waits for the lanes of `mask`, and returns the calling lane's result.
  std::uint64_t warp_op(WarpOp op, unsigned mask, std::uint64_t value, int source, Site site);

  /// The array that `key` stands for, the same for every thread of the block.
  std::byte* shared_array(void const* key, std::size_t bytes, std::size_t alignment);
  std::byte* dynamic_shared() { return dynamic_shared_.get(); }

  [[noreturn]] void fail(Site site, std::string const& what) const;

  /// What a fiber runs: the kernel, for the thread whose turn it is.
  static void run_thread();

 private:
  struct AlignedDelete {
    std::align_val_t alignment;
    void operator()(std::byte* memory) const { ::operator delete(memory, alignment); }
  };
  using SharedMemory = std::unique_ptr<std::byte, AlignedDelete>;
  struct SharedArray {
    void const* key;
    std::size_t bytes;
    SharedMemory memory;  // an allocation of its own, so that AddressSanitizer sees its bounds
  };
  struct PendingOp {
    WarpOp op;
    unsigned mask;
    unsigned arrived;
    Site site;
  };
  struct Warp {
    unsigned alive = 0;
    int lanes = 0;
    std::array<std::uint8_t, warp_lanes> order{};
    std::vector<PendingOp> pending;
  };
  struct Barrier {
    char const* name = nullptr;
    Site site;
    int waiting = 0;
    int votes = 0;
  };

  bool run_warp(std::size_t warp);
  bool pass_over_lanes(std::size_t warp);
  void run_lane(DeviceThread& thread);
  void start(uint3 index);
  void release_barrier();
  void finish_op(PendingOp const& op);
  void check_mask(WarpOp op, unsigned mask, Site site) const;
  void fill_shared();
  std::string deadlock() const;
  SharedMemory make_shared_memory(std::size_t bytes, std::size_t alignment) const;
  unsigned random_below(unsigned limit);

  static inline constinit thread_local Block* current_ = nullptr;
  static inline constinit thread_local DeviceThread* thread_ = nullptr;

  Grid const& grid_;
  std::uint64_t lane_order_;
  FiberPool& fibers_;
  uint3 index_{};
  int live_ = 0;
  std::vector<DeviceThread> threads_;
  std::vector<Warp> warps_;
  std::vector<std::size_t> warp_order_;
  Barrier barrier_;
  std::vector<SharedArray> shared_arrays_;
  std::size_t static_bytes_ = 0;
  SharedMemory dynamic_shared_;
  int garbage_ = 0;
  std::uint64_t random_state_ = 0;
  std::exception_ptr failure_;
};

}  // namespace emulation
