#include <relweave/model/config_json.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <relweave/core/error.hpp>

namespace relweave::model {

namespace {

using Json = nlohmann::ordered_json;

template <typename E>
using Words = std::span<std::pair<E, std::string_view> const>;

constexpr std::pair<graph::EdgeWeight, std::string_view> edge_weights[] = {
    {graph::EdgeWeight::count, "count"},
    {graph::EdgeWeight::cosine, "cosine"},
    {graph::EdgeWeight::pmi, "pmi"}};
constexpr std::pair<LinkLoss, std::string_view> link_losses[] = {
    {LinkLoss::margin, "margin"}, {LinkLoss::sampled_softmax, "sampled_softmax"}};
constexpr std::pair<sampling::LinkBalance, std::string_view> balances[] = {
    {sampling::LinkBalance::none, "none"},
    {sampling::LinkBalance::floor, "floor"},
    {sampling::LinkBalance::strict, "strict"}};
constexpr std::pair<nn::WeightSharing, std::string_view> sharings[] = {
    {nn::WeightSharing::separate, "separate"},
    {nn::WeightSharing::shared_between_directions, "shared_between_directions"}};
constexpr std::pair<TowerLoss, std::string_view> tower_losses[] = {
    {TowerLoss::sampled_softmax, "sampled_softmax"},
    {TowerLoss::dot_product, "dot_product"},
    {TowerLoss::bpr, "bpr"}};
constexpr std::pair<HistoryMode, std::string_view> history_modes[] = {
    {HistoryMode::leave_one_out, "leave_one_out"}, {HistoryMode::causal, "causal"}};
constexpr std::pair<LearningRateSchedule, std::string_view> schedules[] = {
    {LearningRateSchedule::constant, "constant"}, {LearningRateSchedule::cosine, "cosine"}};

/// Visitors see every field of a struct once: one writes JSON, the other reads it.
class Writer {
 public:
  template <typename T>
  void field(char const* name, T const& value) {
    json[name] = value;
  }
  void field(char const* name, std::filesystem::path const& value) { json[name] = value.string(); }
  template <typename E>
  void word(char const* name, E const& value, Words<E> words) {
    for (auto const& [e, text] : words) {
      if (e == value) {
        json[name] = text;
      }
    }
  }
  template <typename S>
  void group(char const* name, S& value) {
    Writer inner;
    visit(inner, value);
    json[name] = std::move(inner.json);
  }

  Json json = Json::object();
};

class Reader {
 public:
  Reader(Json const& json, std::string path) : json_(json), path_(std::move(path)) {
    if (!json.is_object()) {
      fail("", json.dump(), "an object");
    }
  }

  template <typename T>
  void field(char const* name, T& value) {
    if (Json const* const found = find(name)) {
      value = convert<T>(name, *found);
    }
  }
  void field(char const* name, std::filesystem::path& value) {
    if (Json const* const found = find(name)) {
      require(found->is_string(), name, *found, "the path of a folder, or nothing");
      value = found->get<std::string>();
    }
  }
  template <typename E>
  void word(char const* name, E& value, Words<E> words) {
    Json const* const found = find(name);
    if (found == nullptr) {
      return;
    }
    std::string expected;
    for (auto const& [e, text] : words) {
      if (found->is_string() && found->get<std::string>() == text) {
        value = e;
        return;
      }
      expected.append(expected.empty() ? "" : ", ").append(text);
    }
    fail(name, found->dump(), "one of " + expected);
  }
  template <typename S>
  void group(char const* name, S& value) {
    if (Json const* const found = find(name)) {
      Reader inner(*found, path_ + name + ".");
      visit(inner, value);
      inner.finish();
    }
  }

  /// Call after all fields were visited: nothing may be left over.
  void finish() const {
    for (auto const& [name, value] : json_.items()) {
      if (std::find(known_.begin(), known_.end(), name) == known_.end()) {
        std::string expected;
        for (std::string const& k : known_) {
          expected.append(expected.empty() ? "" : ", ").append(k);
        }
        fail("", "unknown setting '" + name + "'", "one of " + expected);
      }
    }
  }

 private:
  Json const* find(char const* name) {
    known_.emplace_back(name);
    auto const found = json_.find(name);
    return found == json_.end() ? nullptr : &*found;
  }

  template <typename T>
  T convert(char const* name, Json const& value) const {
    if constexpr (std::is_same_v<T, bool>) {
      require(value.is_boolean(), name, value, "true or false");
    } else if constexpr (std::is_floating_point_v<T>) {
      require(value.is_number(), name, value, "a number");
    } else if constexpr (std::is_integral_v<T>) {
      require(value.is_number_integer(), name, value, "a whole number");
      if constexpr (std::is_unsigned_v<T>) {
        require(value.is_number_unsigned(), name, value, "a number of at least 0");
      } else {  // a number that does not fit would wrap around
        constexpr auto largest = std::numeric_limits<T>::max();
        bool const fits = value.is_number_unsigned() ? std::in_range<T>(value.get<std::uint64_t>())
                                                     : std::in_range<T>(value.get<std::int64_t>());
        require(fits, name, value, "a whole number of at most " + std::to_string(largest));
      }
    } else {
      require(value.is_array(), name, value, "a list of whole numbers");
      for (auto const& element : value) {
        require(element.is_number_integer(), name, value, "a list of whole numbers");
      }
    }
    return value.get<T>();
  }

  void require(bool holds, char const* name, Json const& got, std::string const& expected) const {
    if (!holds) {
      fail(name, got.dump(), expected);
    }
  }

  [[noreturn]] void fail(std::string const& name, std::string const& got,
                         std::string const& expected) const {
    raise<ConfigError>("RecommenderConfig", path_ + name, got, expected);
  }

  Json const& json_;
  std::string path_;
  std::vector<std::string> known_;
};

template <typename V, typename S>
requires std::same_as<std::remove_const_t<S>, graph::CoInteractionConfig>
void visit(V& v, S& s) {
  v.field("max_history", s.max_history);
  v.field("window_seconds", s.window_seconds);
  v.field("min_count", s.min_count);
  v.field("top_neighbors", s.top_neighbors);
  v.word("weight", s.weight, Words<graph::EdgeWeight>(edge_weights));
  v.field("strong_only", s.strong_only);
  v.field("memory_limit", s.memory_limit);
  v.field("temp_folder", s.temp_folder);
}

template <typename V, typename S>
requires std::same_as<std::remove_const_t<S>, HgnnConfig>
void visit(V& v, S& s) {
  v.field("layers", s.layers);
  v.field("fanout", s.fanout);
  v.field("epochs", s.epochs);
  v.field("batch", s.batch);
  v.field("learning_rate", s.learning_rate);
  v.word("loss", s.loss, Words<LinkLoss>(link_losses));
  v.field("margin", s.margin);
  v.field("negatives", s.negatives);
  v.field("temperature", s.temperature);
  v.word("balance", s.balance, Words<sampling::LinkBalance>(balances));
  v.field("balance_floor", s.balance_floor);
  v.field("validation_fraction", s.validation_fraction);
  v.field("patience", s.patience);
  v.field("node_drop", s.node_drop);
  v.field("inference_draws", s.inference_draws);
  v.word("sharing", s.sharing, Words<nn::WeightSharing>(sharings));
  v.field("seed", s.seed);
}

template <typename V, typename S>
requires std::same_as<std::remove_const_t<S>, TwoTowerConfig>
void visit(V& v, S& s) {
  v.field("layers", s.layers);
  v.field("epochs", s.epochs);
  v.field("batch", s.batch);
  v.field("learning_rate", s.learning_rate);
  v.word("schedule", s.schedule, Words<LearningRateSchedule>(schedules));
  v.word("loss", s.loss, Words<TowerLoss>(tower_losses));
  v.field("temperature", s.temperature);
  v.field("correction", s.correction);
  v.word("history", s.history, Words<HistoryMode>(history_modes));
  v.field("max_history", s.max_history);
  v.field("window_seconds", s.window_seconds);
  v.field("weak_weight", s.weak_weight);
  v.field("hidden_history", s.hidden_history);
  v.field("cold_items", s.cold_items);
  v.field("trend", s.trend);
  v.field("trend_seconds", s.trend_seconds);
  v.field("seed", s.seed);
}

template <typename V, typename S>
requires std::same_as<std::remove_const_t<S>, RecommenderConfig>
void visit(V& v, S& s) {
  v.group("graph", s.graph);
  v.group("hgnn", s.hgnn);
  v.group("towers", s.towers);
  v.field("use_hgnn", s.use_hgnn);
}

}  // namespace

std::string to_json(RecommenderConfig const& config) {
  Writer writer;
  visit(writer, config);
  // A path need not be UTF-8, which JSON is.
  return writer.json.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

RecommenderConfig recommender_config_from_json(std::string_view json) {
  Json const parsed = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) {
    raise<ConfigError>("RecommenderConfig", "json", "text that is not JSON", "a JSON object");
  }
  RecommenderConfig config;
  Reader reader(parsed, "");
  visit(reader, config);
  reader.finish();
  return config;
}

}  // namespace relweave::model
