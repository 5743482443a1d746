// How long callers wait for a recommendation when several ask at once.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <future>
#include <vector>

#include <relweave/relweave.hpp>

/// Each of `threads` callers asks `requests` times for a history of the training log, one request
/// after the other. A latency is the whole call, from the history's dense ids to the best items,
/// while the other callers are served too. The first requests, which touch memory for the first
/// time, are not counted.
inline void print_latency(relweave::model::Recommender const& model, std::int64_t threads,
                          std::int64_t requests, std::int64_t k) {
  using Clock = std::chrono::steady_clock;
  constexpr std::int64_t warm_up = 50;
  auto const log = model.histories();
  auto const call = [&](std::int64_t caller) {
    std::vector<double> microseconds;
    for (std::int64_t r = 0; r < warm_up + requests; ++r) {
      std::int64_t const user = (r * threads + caller) % (log.offsets.size - 1);
      relweave::NodeId const* const items = log.items.data;
      auto const begin = Clock::now();
      model.recommend({.threads = 1}, {items + log.offsets[user], items + log.offsets[user + 1]},
                      k);
      std::chrono::duration<double, std::micro> const waited = Clock::now() - begin;
      if (r >= warm_up) {
        microseconds.push_back(waited.count());
      }
    }
    return microseconds;
  };

  std::vector<std::future<std::vector<double>>> callers;
  for (std::int64_t c = 0; c < threads; ++c) {
    callers.push_back(std::async(std::launch::async, call, c));
  }
  std::vector<double> all;
  for (auto& caller : callers) {
    auto const own = caller.get();
    all.insert(all.end(), own.begin(), own.end());
  }
  std::sort(all.begin(), all.end());
  auto const percentile = [&](std::size_t p) { return all[(all.size() - 1) * p / 100]; };
  std::printf("%zu requests on %zu threads: p50 %.0f us, p95 %.0f us, p99 %.0f us, max %.0f us\n",
              all.size(), callers.size(), percentile(50), percentile(95), percentile(99),
              all.back());
}
