#include <catch2/catch.hpp>

#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/sampling/loader.hpp>

using namespace relweave;
using sampling::Loader;

TEST_CASE("batches come in order, whatever the number of slots", "[sampling][loader]") {
  std::vector<std::vector<int>> slots(GENERATE(1U, 2U, 3U));
  Loader<std::vector<int>> loader(slots, 20, [](std::int64_t position, std::vector<int>& out) {
    out.assign(static_cast<std::size_t>(position) + 1, static_cast<int>(position));
  });

  for (int position = 0; position < 20; ++position) {
    std::vector<int> const& batch = loader.next();
    std::this_thread::sleep_for(std::chrono::microseconds(100));  // others are made meanwhile

    CHECK(batch == std::vector<int>(static_cast<std::size_t>(position) + 1, position));
  }
}

TEST_CASE("the next batch is made while a step works on one", "[sampling][loader]") {
  std::vector<int> slots(2);
  std::thread::id maker;
  std::counting_semaphore<> made{0};
  Loader<int> loader(slots, 2, [&](std::int64_t position, int& out) {
    maker = std::this_thread::get_id();
    out = static_cast<int>(position);
    made.release();
  });

  int const first = loader.next();
  made.acquire();
  made.acquire();  // the second, before anybody asks for it

  CHECK(first == 0);
  CHECK(loader.next() == 1);
  CHECK(maker != std::this_thread::get_id());
}

TEST_CASE("a loader that is left early stops", "[sampling][loader]") {
  std::vector<int> slots(3);
  int made = 0;
  {
    Loader<int> loader(slots, 1'000'000, [&](std::int64_t, int&) { ++made; });
    loader.next();
  }

  CHECK(made >= 1);
  CHECK(made <= 4);
}

TEST_CASE("an error of the loader's thread reaches who asks for the batch", "[sampling][loader]") {
  std::vector<int> slots(GENERATE(1U, 2U));
  Loader<int> loader(slots, 5, [](std::int64_t position, int& out) {
    if (position == 2) {
      throw std::runtime_error("no batch");
    }
    out = static_cast<int>(position);
  });

  CHECK(loader.next() == 0);
  CHECK(loader.next() == 1);
  CHECK_THROWS_WITH(loader.next(), "no batch");
  CHECK_THROWS_WITH(loader.next(), "no batch");
}

TEST_CASE("loader and step may both run parallel work", "[sampling][loader]") {
  std::vector<std::vector<std::int64_t>> slots(2);
  HostContext const ctx{.threads = 3};
  Loader<std::vector<std::int64_t>> loader(
      slots, 50, [&](std::int64_t position, std::vector<std::int64_t>& out) {
        out.assign(64, 0);
        parallel_for(ctx, 64,
                     [&](std::int64_t k) { out[static_cast<std::size_t>(k)] = position + k; });
      });

  for (std::int64_t position = 0; position < 50; ++position) {
    auto const& batch = loader.next();
    std::vector<std::int64_t> copy(64);
    parallel_for(ctx, 64, [&](std::int64_t k) {
      copy[static_cast<std::size_t>(k)] = batch[static_cast<std::size_t>(k)] - k;
    });

    CHECK(copy == std::vector<std::int64_t>(64, position));
  }
}
