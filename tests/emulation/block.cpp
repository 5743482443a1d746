#include "emulation/block.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <numeric>
#include <utility>

#include "emulation/messages.hpp"

namespace emulation {

namespace {

constexpr std::size_t shared_alignment = 16;

}  // namespace

Block::Block(Grid const& grid, std::uint64_t lane_order, FiberPool& fibers)
    : grid_(grid),
      lane_order_(lane_order),
      fibers_(fibers),
      threads_(std::size_t{grid.block.x} * grid.block.y * grid.block.z),
      warps_((threads_.size() + warp_lanes - 1) / warp_lanes),
      warp_order_(warps_.size()),
      dynamic_shared_(make_shared_memory(grid.shared_bytes, shared_alignment)) {
  std::iota(warp_order_.begin(), warp_order_.end(), std::size_t{0});
  for (std::size_t i = 0; i < threads_.size(); ++i) {
    auto const linear = static_cast<unsigned>(i);
    unsigned const row = linear / grid.block.x;
    threads_[i].index = {linear % grid.block.x, row % grid.block.y, row / grid.block.y};
    threads_[i].warp = static_cast<int>(i) / warp_lanes;
    threads_[i].lane = static_cast<int>(i) % warp_lanes;
    warps_[i / warp_lanes].lanes++;
  }
  for (Warp& warp : warps_) {
    auto const lanes = warp.order.begin() + warp.lanes;
    std::iota(warp.order.begin(), lanes, std::uint8_t{0});
    if (lane_order == 1) {
      std::reverse(warp.order.begin(), lanes);
    }
  }
  if (lane_order == 1) {
    std::reverse(warp_order_.begin(), warp_order_.end());
  }
  current_ = this;
}

Block::~Block() {
  current_ = nullptr;
}

void Block::run(uint3 index) {
  start(index);
  while (live_ > 0) {
    bool progress = false;
    if (lane_order_ > 1) {
      std::size_t const chosen = random_below(static_cast<unsigned>(warps_.size()));
      std::swap(warp_order_.front(), warp_order_[chosen]);
    }
    for (std::size_t const warp : warp_order_) {
      progress |= run_warp(warp);
    }
    if (live_ > 0 && barrier_.waiting == live_) {
      release_barrier();
    } else if (live_ > 0 && !progress) {
      fibers_.abandon_all();
      throw Error(deadlock());
    }
  }
}

void Block::start(uint3 index) {
  index_ = index;
  std::uint64_t const linear =
      index.x + std::uint64_t{grid_.grid.x} * (index.y + std::uint64_t{grid_.grid.y} * index.z);
  random_state_ = (lane_order_ + 1) * 0x9E3779B97F4A7C15U ^ (linear + 1) * 0xD1B54A32D192ED03U;
  // Two kinds of garbage, since a maximum hides NaN and a minimum hides large numbers.
  garbage_ = (linear + lane_order_) % 2 == 0 ? 0xFF : 0x7E;
  fill_shared();
  live_ = static_cast<int>(threads_.size());
  barrier_ = {};
  for (DeviceThread& thread : threads_) {
    thread.status = DeviceThread::Status::unstarted;
  }
  for (Warp& warp : warps_) {
    warp.alive = warp.lanes == warp_lanes ? ~0U : bit(warp.lanes) - 1;
    warp.pending.clear();
  }
}

bool Block::run_warp(std::size_t warp) {
  bool progress = pass_over_lanes(warp);
  // Random orders interleave warps at every warp operation, the others only at barriers.
  while (lane_order_ <= 1 && progress && pass_over_lanes(warp)) {
  }
  return progress;
}

bool Block::pass_over_lanes(std::size_t warp_index) {
  Warp& warp = warps_[warp_index];
  if (lane_order_ > 1) {
    for (int i = warp.lanes - 1; i > 0; --i) {
      std::size_t const j = random_below(static_cast<unsigned>(i + 1));
      std::swap(warp.order[static_cast<std::size_t>(i)], warp.order[j]);
    }
  }
  bool progress = false;
  for (int i = 0; i < warp.lanes; ++i) {
    DeviceThread& thread =
        threads_[warp_index * warp_lanes + warp.order[static_cast<std::size_t>(i)]];
    if (thread.status == DeviceThread::Status::unstarted ||
        thread.status == DeviceThread::Status::ready) {
      run_lane(thread);
      progress = true;
    }
  }
  return progress;
}

void Block::run_lane(DeviceThread& thread) {
  if (thread.status == DeviceThread::Status::unstarted) {
    thread.fiber = &fibers_.acquire();
    thread.status = DeviceThread::Status::ready;
  }
  thread_ = &thread;
  thread.fiber->resume();
  if (thread.status == DeviceThread::Status::exited) {
    fibers_.release(*thread.fiber);
  }
  if (failure_) {
    fibers_.abandon_all();
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }
}

void Block::run_thread() {
  Block& block = *current_;
  try {
    block.grid_.body();
  } catch (...) {
    block.failure_ = std::current_exception();
  }
  DeviceThread& self = *thread_;
  self.status = DeviceThread::Status::exited;
  block.warps_[static_cast<std::size_t>(self.warp)].alive &= ~bit(self.lane);
  --block.live_;
}

int Block::barrier(char const* name, bool predicate, Site site) {
  if (barrier_.waiting == 0) {
    barrier_ = {.name = name, .site = site};
  } else if (barrier_.site != site) {
    fail(site, std::string(name) + ": other threads of the block wait in " +
                   describe(barrier_.name, barrier_.site) +
                   ". All threads of a block must reach the same barrier");
  }
  ++barrier_.waiting;
  barrier_.votes += predicate ? 1 : 0;
  thread_->status = DeviceThread::Status::at_barrier;
  Fiber::pause();
  return static_cast<int>(thread_->value);
}

void Block::release_barrier() {
  barrier_.waiting = 0;
  for (DeviceThread& thread : threads_) {
    if (thread.status == DeviceThread::Status::at_barrier) {
      thread.value = static_cast<std::uint64_t>(barrier_.votes);
      thread.status = DeviceThread::Status::ready;
    }
  }
}

std::byte* Block::shared_array(void const* key, std::size_t bytes, std::size_t alignment) {
  for (SharedArray const& array : shared_arrays_) {
    if (array.key == key) {
      return array.memory.get();
    }
  }
  static_bytes_ += bytes;
  if (static_bytes_ > static_shared_bytes) {
    fail({}, "RELWEAVE_SHARED: " + std::to_string(static_bytes_) +
                 " bytes of static shared memory, more than a block has (" +
                 std::to_string(static_shared_bytes) + ")");
  }
  if (static_bytes_ + grid_.shared_bytes > block_shared_bytes) {
    fail({}, std::to_string(static_bytes_) + " bytes of static and " +
                 std::to_string(grid_.shared_bytes) +
                 " bytes of dynamic shared memory, together more than a block may have (" +
                 std::to_string(block_shared_bytes) + ")");
  }
  shared_arrays_.push_back(
      {.key = key,
       .bytes = bytes,
       .memory = make_shared_memory(bytes, std::max(alignment, shared_alignment))});
  std::memset(shared_arrays_.back().memory.get(), garbage_, bytes);
  return shared_arrays_.back().memory.get();
}

void Block::fill_shared() {
  std::memset(dynamic_shared_.get(), garbage_, grid_.shared_bytes);
  for (SharedArray const& array : shared_arrays_) {
    std::memset(array.memory.get(), garbage_, array.bytes);
  }
}

Block::SharedMemory Block::make_shared_memory(std::size_t bytes, std::size_t alignment) const {
  auto const align = std::align_val_t{alignment};
  return SharedMemory(static_cast<std::byte*>(::operator new(bytes, align)), AlignedDelete{align});
}

void Block::fail(Site site, std::string const& what) const {
  std::string where = "kernel " + grid_.kernel + ", block " + describe(index_);
  where += ", warp " + std::to_string(thread_->warp);
  where += ", lane " + std::to_string(thread_->lane);
  throw Error(where + (site.file != nullptr ? ", " + describe(site) : "") + ": " + what);
}

std::string Block::deadlock() const {
  std::string report = "kernel " + grid_.kernel + ", block " + describe(index_) + ": deadlock";
  std::string separator = ": ";
  if (barrier_.waiting > 0) {
    report += separator + std::to_string(barrier_.waiting) + " threads wait in " +
              describe(barrier_.name, barrier_.site);
    separator = "; ";
  }
  for (std::size_t warp = 0; warp < warps_.size(); ++warp) {
    for (PendingOp const& op : warps_[warp].pending) {
      report += separator + describe_lanes(op.arrived) + " of warp " + std::to_string(warp) +
                " wait in " + describe(name_of(op.op), op.site) + " for " +
                describe_lanes(op.mask & ~op.arrived);
      separator = "; ";
    }
  }
  auto const exited = threads_.size() - static_cast<std::size_t>(live_);
  return report + separator + std::to_string(exited) + " threads have exited";
}

unsigned Block::random_below(unsigned limit) {  // xorshift64 (Marsaglia 2003)
  random_state_ ^= random_state_ << 13;
  random_state_ ^= random_state_ >> 7;
  random_state_ ^= random_state_ << 17;
  return static_cast<unsigned>((random_state_ >> 32) * limit >> 32);
}

}  // namespace emulation
