#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <type_traits>

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>

namespace relweave {

namespace detail {

using TaskFunction = void (*)(void* closure, std::int64_t task);

RELWEAVE_API void run_tasks(int threads, std::int64_t count, TaskFunction function, void* closure);

}  // namespace detail

/// Calls fn(task) for every task in [0, count), each once, on up to threads_of(ctx) threads.
/// Tasks may run in any order and must write to separate places. Split work in a way that does not
/// depend on the number of threads, and results do not depend on it either.
/// A nested call, a call while another thread uses the pool, and a single task run on the calling
/// thread. The first exception is rethrown after all running tasks ended; tasks not yet started
/// are skipped then. Safe in a forked child.
template <typename Fn>
void parallel_for(HostContext const& ctx, std::int64_t count, Fn&& fn) {
  using F = std::remove_reference_t<Fn>;
  detail::run_tasks(
      threads_of(ctx), count,
      [](void* closure, std::int64_t task) { (*static_cast<F*>(closure))(task); },
      const_cast<void*>(static_cast<void const*>(std::addressof(fn))));
}

/// Splits [0, n) into blocks of `grain` and calls fn(begin, end) for each, in parallel.
template <typename Fn>
void parallel_for_blocks(HostContext const& ctx, std::int64_t n, std::int64_t grain, Fn&& fn) {
  parallel_for(ctx, (n + grain - 1) / grain, [&](std::int64_t block) {
    std::int64_t const begin = block * grain;
    fn(begin, std::min(begin + grain, n));
  });
}

}  // namespace relweave
