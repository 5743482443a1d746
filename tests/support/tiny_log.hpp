#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/random.hpp>
#include <relweave/graph/co_interaction.hpp>

namespace relweave::test {

/// A log with a planted structure that a working model finds: users and items belong to one of
/// `tastes` groups, and users take items of their own group nine times out of ten. Items are of
/// three types of unequal size; features are the noisy one-hot group.
struct TinyLog {
  static constexpr std::int64_t tastes = 4;

  graph::ItemTypes types;
  std::vector<NodeId> user, item;
  std::vector<std::int64_t> time;
  std::vector<std::uint8_t> strong;
  Matrix<float> features;
  std::int64_t users;

  TinyLog(std::int64_t user_count, std::int64_t item_count, std::int64_t events_per_user,
          std::uint64_t seed = 1)
      : features(item_count, 8), users(user_count) {
    types.names = {"book", "game", "podcast"};
    types.offsets = {0, item_count / 2, item_count * 3 / 4, item_count};
    for (std::int64_t i = 0; i < item_count; ++i) {
      RandomStream random(seed, Purpose::test, static_cast<std::uint64_t>(i));
      for (std::int64_t f = 0; f < features.cols(); ++f) {
        features.view()(i, f) =
            (f == taste_of_item(i) ? 1.0F : 0.0F) + 0.3F * (random.uniform_float() - 0.5F);
      }
    }
    for (std::int64_t u = 0; u < user_count; ++u) {
      RandomStream random(seed, Purpose::test, 1'000'000 + static_cast<std::uint64_t>(u));
      for (std::int64_t e = 0; e < events_per_user; ++e) {
        auto i = static_cast<std::int64_t>(random.below(static_cast<std::uint32_t>(item_count)));
        if (random.below(10) > 0) {
          i = i / tastes * tastes + u % tastes;
          i = i < item_count ? i : u % tastes;
        }
        user.push_back(static_cast<NodeId>(u));
        item.push_back(static_cast<NodeId>(i));
        time.push_back(1'600'000'000 + e * 3600);
        strong.push_back(random.below(5) > 0 ? 1 : 0);
      }
    }
  }

  static std::int64_t taste_of_item(std::int64_t item) { return item % tastes; }

  graph::InteractionLogView view() const {
    return {.user = {user.data(), std::ssize(user)},
            .item = {item.data(), std::ssize(item)},
            .time = {time.data(), std::ssize(time)},
            .strong = {strong.data(), std::ssize(strong)},
            .user_count = users,
            .item_count = types.offsets.back()};
  }
};

}  // namespace relweave::test
