#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/error.hpp>
#include <relweave/core/random.hpp>
#include <relweave/core/random_words.hpp>

#include "support/instruction_sets.hpp"

using namespace relweave;

// Known answers published with the reference implementation (Random123, tests/kat_vectors).
TEST_CASE("philox4x32 gives the published known answers", "[core][random]") {
  using C = std::array<std::uint32_t, 4>;
  using K = std::array<std::uint32_t, 2>;
  CHECK(philox4x32(C{0, 0, 0, 0}, K{0, 0}) == C{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32(C{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, K{0xffffffff, 0xffffffff}) ==
        C{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32(C{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, K{0xa4093822, 0x299f31d0}) ==
        C{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("streams of another seed, purpose or index differ", "[core][random]") {
  auto const first = RandomStream(1, Purpose::test, 5).next64();

  CHECK(RandomStream(1, Purpose::test, 5).next64() == first);
  CHECK(RandomStream(2, Purpose::test, 5).next64() != first);
  CHECK(RandomStream(1, Purpose::shuffle, 5).next64() != first);
  CHECK(RandomStream(1, Purpose::test, 6).next64() != first);
}

TEST_CASE("a stream may start behind some blocks", "[core][random]") {
  RandomStream whole(3, Purpose::test, 9);
  std::uint32_t skipped = 0;
  for (int w = 0; w < 8; ++w) {
    skipped = whole.next();
  }

  RandomStream rest(3, Purpose::test, 9, 2);

  CHECK(rest.next() == whole.next());
  CHECK(rest.next() != skipped);
}

TEST_CASE("random_words are the words of the streams", "[core][random]") {
  Isa const isa = GENERATE(from_range(test::instruction_sets()));
  std::int64_t const count = GENERATE(0, 1, 2, 7, 8, 9, 31);
  constexpr std::uint64_t seed = 0xDEADBEEF12345678;
  std::vector<std::uint64_t> indices;
  for (std::int64_t k = 0; k < count; ++k) {
    indices.push_back(static_cast<std::uint64_t>(k) * 0x9E3779B97F4A7C15);
  }
  Matrix<std::uint32_t> words(12, count + 1);  // with a column that nobody asked for
  words.view()(0, count) = 42;

  random_words({.isa = isa}, seed, Purpose::neighbor_sampling, {indices.data(), count},
               words.view().col_slice(0, count));

  for (std::int64_t k = 0; k < count; ++k) {
    RandomStream stream(seed, Purpose::neighbor_sampling, indices[static_cast<std::size_t>(k)]);
    for (std::int64_t w = 0; w < 12; ++w) {
      CHECK(words.view()(w, k) == stream.next());
    }
  }
  CHECK(words.view()(0, count) == 42);
  CHECK_THROWS_AS(random_words({}, seed, Purpose::test, {indices.data(), count},
                               words.view().row_slice(0, 3).col_slice(0, count)),
                  ShapeError);
  CHECK_THROWS_AS(random_words({}, seed, Purpose::test, {indices.data(), count}, words.view()),
                  ShapeError);
}

TEST_CASE("below is uniform over its range", "[core][random]") {
  RandomStream random(7, Purpose::test, 0);
  std::array<int, 7> counts{};

  for (int i = 0; i < 70'000; ++i) {
    ++counts[random.below(7)];
  }

  for (int const c : counts) {  // binomial(70000, 1/7): sigma is 92.6, five sigma 463
    CHECK(c == Approx(10'000).margin(463));
  }
}

TEST_CASE("uniform stays in [0, 1) and has mean one half", "[core][random]") {
  RandomStream random(3, Purpose::test, 0);
  double total = 0;

  for (int i = 0; i < 100'000; ++i) {
    double const d = random.uniform();
    float const f = random.uniform_float();
    REQUIRE((d >= 0 && d < 1 && f >= 0 && f < 1));
    total += d + static_cast<double>(f);
  }

  CHECK(total / 200'000 == Approx(0.5).margin(0.004));
}

TEST_CASE("shuffle gives a permutation, the same for a stream", "[core][random]") {
  std::vector<int> a(100);
  std::iota(a.begin(), a.end(), 0);
  auto b = a;
  auto const sorted = a;

  RandomStream(1, Purpose::test, 2).shuffle(a.begin(), a.end());
  RandomStream(1, Purpose::test, 2).shuffle(b.begin(), b.end());

  CHECK(a == b);
  CHECK(a != sorted);
  std::sort(b.begin(), b.end());
  CHECK(b == sorted);
}
