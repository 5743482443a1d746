#pragma once

#include <array>
#include <cstdint>

namespace relweave {

/// Philox4x32-10: ten rounds over a 128-bit counter with a 64-bit key. A pure function, so any
/// element of any stream is computed alone: same bits for any number of threads and on a GPU.
/// Source: Salmon et al. 2011, Parallel Random Numbers: As Easy as 1, 2, 3 (SC'11).
constexpr std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                  std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    std::uint64_t const p0 = std::uint64_t{0xD2511F53} * counter[0];
    std::uint64_t const p1 = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {
        static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
        static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

/// What a stream of random numbers is for. Streams of different purposes never overlap, so adding
/// a draw in one place cannot change another. Values are part of the reproducibility contract:
/// append, never renumber.
enum class Purpose : std::uint32_t {
  test = 0,
  parameter_init = 1,
  neighbor_sampling = 2,
  link_sampling = 3,
  negative_sampling = 4,
  validation_split = 5,
  shuffle = 6,
  node_dropout = 7,
  history_dropout = 8,
  synthetic = 9,
  edge_flip = 10,
  hash_encoder = 11,
  cold_items = 12,
};

/// Uniform integer in [0, n), n >= 1, from words that `next` gives: Lemire's multiply-shift with
/// rejection, unbiased.
template <typename Next>
constexpr std::uint32_t random_below(Next&& next, std::uint32_t n) {
  std::uint64_t product = std::uint64_t{next()} * n;
  if (static_cast<std::uint32_t>(product) < n) {
    std::uint32_t const threshold = (0U - n) % n;
    while (static_cast<std::uint32_t>(product) < threshold) {
      product = std::uint64_t{next()} * n;
    }
  }
  return static_cast<std::uint32_t>(product >> 32);
}

/// Random numbers of one (seed, purpose, index): the index is what the numbers belong to, such as
/// an epoch, a row or (step << 32 | row). Cheap to construct; draw as many as needed.
class RandomStream {
 public:
  /// Starts behind the first 4 `block` words.
  constexpr RandomStream(std::uint64_t seed, Purpose purpose, std::uint64_t index,
                         std::uint32_t block = 0)
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
        counter_{block, static_cast<std::uint32_t>(purpose), static_cast<std::uint32_t>(index),
                 static_cast<std::uint32_t>(index >> 32)} {}

  constexpr std::uint32_t next() {
    if (position_ == 4) {
      block_ = philox4x32(counter_, key_);
      ++counter_[0];
      position_ = 0;
    }
    return block_[static_cast<std::size_t>(position_++)];
  }

  constexpr std::uint64_t next64() {
    std::uint64_t const high = next();
    return (high << 32) | next();
  }

  /// Uniform in [0, 1) with 24 bits.
  constexpr float uniform_float() { return static_cast<float>(next() >> 8) * 0x1p-24F; }

  /// Uniform in [0, 1) with 53 bits.
  constexpr double uniform() { return static_cast<double>(next64() >> 11) * 0x1p-53; }

  /// Uniform integer in [0, n), n >= 1, n < 2^32.
  constexpr std::uint32_t below(std::uint32_t n) {
    return random_below([this] { return next(); }, n);
  }

  /// Fisher-Yates, in place. RandomIt is random access, at most 2^32 - 1 elements.
  template <typename RandomIt>
  constexpr void shuffle(RandomIt first, RandomIt last) {
    for (auto n = last - first; n > 1; --n) {
      auto const j = static_cast<decltype(n)>(below(static_cast<std::uint32_t>(n)));
      auto tmp = first[n - 1];
      first[n - 1] = first[j];
      first[j] = tmp;
    }
  }

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 4> block_{};
  int position_ = 4;
};

}  // namespace relweave
