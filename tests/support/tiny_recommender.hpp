#pragma once

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <relweave/model/recommender.hpp>

#include "support/tiny_log.hpp"

namespace relweave::test {

inline constexpr std::int64_t item_count = 60;

inline model::RecommenderConfig small_config() {
  return {
      .hgnn = {.layers = {16, 16},
               .fanout = 5,
               .epochs = 10,
               .batch = 64,
               .learning_rate = 5e-3,
               .seed = 3},
      .towers = {.layers = {32, 16}, .epochs = 8, .batch = 64, .learning_rate = 1e-2, .seed = 3}};
}

inline std::vector<std::string> names(std::string const& prefix, std::int64_t count) {
  std::vector<std::string> result;
  for (std::int64_t i = 0; i < count; ++i) {
    result.push_back(prefix + std::to_string(i));
  }
  return result;
}

inline model::TrainingData data_of(TinyLog const& log) {
  return {.log = log.view(),
          .types = log.types,
          .item_features = log.features.view(),
          .user_features = {},
          .items = io::Vocabulary(names("i", item_count)),
          .users = io::Vocabulary(names("u", log.users))};
}

inline model::Recommender trained(TinyLog const& log, int threads = 2,
                                  model::RecommenderConfig const& config = small_config()) {
  model::Recommender model(config);
  model.fit(HostContext{.threads = threads}, data_of(log));
  return model;
}

struct Answer {
  Matrix<NodeId> items;
  Matrix<float> scores;
  Answer(std::int64_t n, std::int64_t k) : items(n, k), scores(n, k) {}
};

inline Answer ask(model::Recommender const& model, std::vector<NodeId> const& users,
                  model::RecommendOptions const& options) {
  Answer answer(std::ssize(users), options.k);
  model.recommend_users(HostContext{}, {users.data(), std::ssize(users)}, options,
                        answer.items.view(), answer.scores.view());
  return answer;
}

/// Removed with all it holds at the end of a scope.
struct TemporaryDirectory {
  std::filesystem::path path = std::filesystem::temp_directory_path() /
                               ("relweave-recommender-" + std::to_string(::getpid()));
  TemporaryDirectory() {
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
};

}  // namespace relweave::test
