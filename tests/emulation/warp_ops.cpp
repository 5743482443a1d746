#include <algorithm>
#include <array>

#include "emulation/block.hpp"
#include "emulation/messages.hpp"

namespace emulation {

namespace {

// What a lane reads that nobody wrote: NaN, -1.
constexpr std::uint64_t garbage = ~std::uint64_t{0};

using Values = std::array<std::uint64_t, warp_lanes>;

template <typename Fn>
void for_each_lane(unsigned mask, Fn fn) {
  for (int lane = 0; lane < warp_lanes; ++lane) {
    if ((mask & bit(lane)) != 0) {
      fn(lane);
    }
  }
}

template <typename T, typename Fn>
std::uint64_t fold(unsigned mask, Values const& values, Fn combine) {
  bool first = true;
  T result{};
  for_each_lane(mask, [&](int lane) {
    auto const value =
        static_cast<T>(static_cast<unsigned>(values[static_cast<std::size_t>(lane)]));
    result = first ? value : static_cast<T>(combine(result, value));
    first = false;
  });
  return static_cast<unsigned>(result);
}

unsigned lanes_equal(unsigned mask, Values const& values, std::uint64_t wanted) {
  unsigned equal = 0;
  for_each_lane(mask, [&](int lane) {
    equal |= values[static_cast<std::size_t>(lane)] == wanted ? bit(lane) : 0;
  });
  return equal;
}

// The result of an operation that gives every lane the same.
std::uint64_t common_result(WarpOp op, unsigned mask, Values const& values) {
  using U = unsigned;
  switch (op) {
    case WarpOp::ballot:
      return lanes_equal(mask, values, 1);
    case WarpOp::any:
      return lanes_equal(mask, values, 1) != 0 ? 1 : 0;
    case WarpOp::all:
      return lanes_equal(mask, values, 1) == mask ? 1 : 0;
    case WarpOp::reduce_add:
      return fold<U>(mask, values, [](U a, U b) { return a + b; });
    case WarpOp::reduce_min:
      return fold<U>(mask, values, [](U a, U b) { return std::min(a, b); });
    case WarpOp::reduce_max:
      return fold<U>(mask, values, [](U a, U b) { return std::max(a, b); });
    case WarpOp::reduce_min_signed:
      return fold<int>(mask, values, [](int a, int b) { return std::min(a, b); });
    case WarpOp::reduce_max_signed:
      return fold<int>(mask, values, [](int a, int b) { return std::max(a, b); });
    case WarpOp::reduce_and:
      return fold<U>(mask, values, [](U a, U b) { return a & b; });
    case WarpOp::reduce_or:
      return fold<U>(mask, values, [](U a, U b) { return a | b; });
    case WarpOp::reduce_xor:
      return fold<U>(mask, values, [](U a, U b) { return a ^ b; });
    default:
      return 0;
  }
}

bool is_shuffle(WarpOp op) {
  return op == WarpOp::shuffle || op == WarpOp::shuffle_up || op == WarpOp::shuffle_down ||
         op == WarpOp::shuffle_xor;
}

}  // namespace

void Block::check_mask(WarpOp op, unsigned mask, Site site) const {
  DeviceThread const& self = thread();
  unsigned const alive = warps_[static_cast<std::size_t>(self.warp)].alive;
  if ((mask & bit(self.lane)) == 0) {
    fail(site, std::string(name_of(op)) + ": mask " + hex(mask) + " leaves out the calling lane");
  }
  if ((mask & ~alive) != 0) {
    fail(site, std::string(name_of(op)) + ": mask " + hex(mask) + " names " +
                   describe_lanes(mask & ~alive) + ", which exited or never existed");
  }
}

std::uint64_t Block::warp_op(WarpOp op, unsigned mask, std::uint64_t value, int source, Site site) {
  check_mask(op, mask, site);
  DeviceThread& self = thread();
  self.value = value;
  self.source = source;
  auto& ops = warps_[static_cast<std::size_t>(self.warp)].pending;
  auto pending =
      std::find_if(ops.begin(), ops.end(), [&](PendingOp const& p) { return p.mask == mask; });
  if (pending == ops.end()) {
    pending = ops.insert(pending, {.op = op, .mask = mask, .arrived = 0, .site = site});
  } else if (pending->op != op || (op != WarpOp::sync && pending->site != site)) {
    fail(site, std::string(name_of(op)) + ": " + describe_lanes(pending->arrived) +
                   " of the same mask " + hex(mask) + " wait in " +
                   describe(name_of(pending->op), pending->site) +
                   ". All lanes of a mask must reach the same operation");
  }
  pending->arrived |= bit(self.lane);
  if (pending->arrived == mask) {
    PendingOp const complete = *pending;
    ops.erase(pending);
    finish_op(complete);
  } else {
    self.status = DeviceThread::Status::in_warp_op;
    Fiber::pause();
  }
  return self.value;
}

void Block::finish_op(PendingOp const& op) {
  DeviceThread* const warp = &threads_[static_cast<std::size_t>(thread().warp) * warp_lanes];
  Values values{};
  for_each_lane(op.mask,
                [&](int lane) { values[static_cast<std::size_t>(lane)] = warp[lane].value; });
  std::uint64_t const common = common_result(op.op, op.mask, values);
  for_each_lane(op.mask, [&](int lane) {
    DeviceThread& self = warp[lane];
    if (op.op == WarpOp::match_any) {
      self.value = lanes_equal(op.mask, values, values[static_cast<std::size_t>(lane)]);
    } else if (!is_shuffle(op.op)) {
      self.value = common;
    } else if ((op.mask & bit(self.source)) != 0) {
      self.value = values[static_cast<std::size_t>(self.source)];
    } else if (op.op == WarpOp::shuffle || op.op == WarpOp::shuffle_xor) {
      fail(op.site, std::string(name_of(op.op)) + ": lane " + std::to_string(lane) +
                        " reads lane " + std::to_string(self.source) + ", which mask " +
                        hex(op.mask) + " leaves out");
    } else {
      self.value = garbage;  // the end of a scan over a part of a warp, which callers ignore
    }
    self.status = DeviceThread::Status::ready;
  });
}

}  // namespace emulation
