#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <thread>

namespace relweave {

/// Seconds that a cache line takes from one thread to another and back, at best: some 50 ns between
/// processors that share a cache, several times that where they do not. On a virtual machine this
/// may change while a program runs, and with it the time of whatever threads hand to each other.
/// For benchmarks; takes some milliseconds.
inline double round_trip() {
  constexpr int windows = 40;
  constexpr int trips = 200;
  alignas(64) std::atomic<int> ball{0};
  auto const wait_for = [&](int turn) {
    for (int spins = 0; ball.load(std::memory_order_acquire) != turn; ++spins) {
      if (spins > 10'000) {
        std::this_thread::yield();  // the other thread may want this processor
      }
    }
  };
  std::thread other([&] {
    for (int trip = 0; trip < windows * trips; ++trip) {
      wait_for(2 * trip + 1);
      ball.store(2 * trip + 2, std::memory_order_release);
    }
  });
  double best = std::numeric_limits<double>::infinity();
  for (int window = 0; window < windows; ++window) {
    auto const begin = std::chrono::steady_clock::now();
    for (int trip = window * trips; trip < (window + 1) * trips; ++trip) {
      ball.store(2 * trip + 1, std::memory_order_release);
      wait_for(2 * trip + 2);
    }
    std::chrono::duration<double> const seconds = std::chrono::steady_clock::now() - begin;
    best = std::min(best, seconds.count() / trips);
  }
  other.join();
  return best;
}

}  // namespace relweave
