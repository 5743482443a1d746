#include <catch2/catch.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>

using namespace relweave;

TEST_CASE("parallel_for runs every task once", "[core][parallel]") {
  int const threads = GENERATE(1, 2, 3, 8);
  int const count = GENERATE(0, 1, 2, 7, 1000);
  std::vector<int> hits(static_cast<std::size_t>(count), 0);

  parallel_for(HostContext{.threads = threads}, count,
               [&](std::int64_t task) { ++hits[static_cast<std::size_t>(task)]; });

  CHECK(std::all_of(hits.begin(), hits.end(), [](int h) { return h == 1; }));
}

TEST_CASE("parallel_for_blocks covers the range with blocks of the grain", "[core][parallel]") {
  std::vector<int> hits(103, 0);

  parallel_for_blocks(HostContext{.threads = 2}, 103, 10, [&](std::int64_t b, std::int64_t e) {
    for (auto i = b; i < e; ++i) {
      ++hits[static_cast<std::size_t>(i)];
    }
  });

  CHECK(std::all_of(hits.begin(), hits.end(), [](int h) { return h == 1; }));
}

TEST_CASE("parallel_for never uses more threads than asked", "[core][parallel]") {
  parallel_for(HostContext{.threads = 8}, 8, [](std::int64_t) {});  // the pool now has 7 workers
  std::atomic<int> running{0};
  std::atomic<int> peak{0};

  parallel_for(HostContext{.threads = 2}, 64, [&](std::int64_t) {
    int const now = ++running;
    for (int seen = peak; now > seen && !peak.compare_exchange_weak(seen, now);) {
    }
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    --running;
  });

  CHECK(peak <= 2);
}

TEST_CASE("a nested parallel_for runs inside its task", "[core][parallel]") {
  std::atomic<int> total{0};

  parallel_for(HostContext{.threads = 3}, 5, [&](std::int64_t) {
    parallel_for(HostContext{.threads = 3}, 4, [&](std::int64_t) { ++total; });
  });

  CHECK(total == 20);
}

TEST_CASE("an exception in a task reaches the caller, and the pool lives on", "[core][parallel]") {
  HostContext const ctx{.threads = 2};

  CHECK_THROWS_WITH(parallel_for(ctx, 100,
                                 [](std::int64_t task) {
                                   if (task == 13) {
                                     throw std::runtime_error("thirteen");
                                   }
                                 }),
                    "thirteen");

  std::atomic<int> total{0};
  parallel_for(ctx, 10, [&](std::int64_t) { ++total; });
  CHECK(total == 10);
}

TEST_CASE("several threads may call parallel_for at once", "[core][parallel]") {
  std::atomic<int> total{0};
  std::vector<std::thread> callers;

  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        parallel_for(HostContext{.threads = 2}, 8, [&](std::int64_t) { ++total; });
      }
    });
  }
  for (auto& t : callers) {
    t.join();
  }

  CHECK(total == 4 * 50 * 8);
}

TEST_CASE("a forked child gets a pool of its own", "[core][parallel]") {
  parallel_for(HostContext{.threads = 2}, 4, [](std::int64_t) {});

  pid_t const child = fork();
  if (child == 0) {
    std::atomic<int> total{0};
    parallel_for(HostContext{.threads = 2}, 16, [&](std::int64_t) { ++total; });
    _exit(total == 16 ? 0 : 1);
  }

  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

TEST_CASE("a negative number of threads is refused", "[core][parallel]") {
  CHECK_THROWS_AS(parallel_for(HostContext{.threads = -1}, 2, [](std::int64_t) {}), ConfigError);
}
