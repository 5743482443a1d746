#include <algorithm>
#include <cmath>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

#include <relweave/core/error.hpp>
#include <relweave/io/checkpoint.hpp>
#include <relweave/model/config_json.hpp>
#include <relweave/model/recommender.hpp>

#include "input_checks.hpp"
#include "sorted_log.hpp"

namespace relweave::model {

namespace {

using Json = nlohmann::ordered_json;

template <typename T>
VectorView<T const> constant(VectorView<T> v) {
  return v;
}

Json to_json(TrainingHistory const& history) {
  Json epochs = Json::array();
  for (EpochRecord const& e : history.epochs) {
    epochs.push_back({{"loss", e.loss},
                      {"validation", e.validation},
                      {"seconds", e.seconds},
                      {"examples", e.examples}});
  }
  return {
      {"epochs", epochs}, {"best_epoch", history.best_epoch}, {"interrupted", history.interrupted}};
}

/// A whole number: the cast of another one that JSON can hold is not defined.
std::int64_t whole(Json const& json) {
  if (!json.is_number_integer()) {
    raise<IoError>("Recommender.load", "config.json", json.dump(), "a whole number");
  }
  return json.get<std::int64_t>();
}

std::vector<std::int64_t> wholes(Json const& json) {
  std::vector<std::int64_t> result;
  for (Json const& element : json) {
    result.push_back(whole(element));
  }
  return result;
}

TrainingHistory history_from_json(Json const& json) {
  TrainingHistory history;
  for (Json const& e : json.at("epochs")) {
    history.epochs.push_back({.loss = e.at("loss").get<double>(),
                              .validation = e.at("validation").get<double>(),
                              .seconds = e.at("seconds").get<double>(),
                              .examples = whole(e.at("examples"))});
  }
  history.best_epoch = whole(json.at("best_epoch"));
  history.interrupted = json.at("interrupted").get<bool>();
  return history;
}

/// Calls fn(name, field) for every count of a graph report; how much memory and disk it took is not
/// saved, since it is not the same for any number of threads.
template <typename Report, typename Fn>
void each_count(Report& r, Fn const& fn) {
  fn("events", r.events);
  fn("weak_left_out", r.weak_left_out);
  fn("repeats_merged", r.repeats_merged);
  fn("over_cap", r.over_cap);
  fn("users", r.users);
  fn("single_item_users", r.single_item_users);
  fn("pairs", r.pairs);
  fn("links_found", r.links_found);
  fn("below_min_count", r.below_min_count);
  fn("beyond_top", r.beyond_top);
  fn("links", r.links);
  fn("links_per_type_pair", r.links_per_type_pair);
}

void add_parameters(io::SafetensorsWriter& tensors, std::string const& prefix,
                    nn::ParameterSet<float> const& parameters) {
  for (nn::ParameterInfo const& info : parameters.infos()) {
    nn::ParameterId const id = parameters.find(info.name);
    if (info.vector) {
      tensors.add(prefix + info.name, parameters.vector(id));
    } else {
      tensors.add(prefix + info.name, parameters.matrix(id));
    }
  }
}

void read_parameters(io::SafetensorsReader const& tensors, std::string const& prefix,
                     nn::ParameterSet<float>& parameters) {
  for (nn::ParameterInfo const& info : parameters.infos()) {
    io::TensorInfo const& tensor = tensors.tensor(prefix + info.name);
    auto const expected = info.vector ? std::vector<std::int64_t>{info.cols}
                                      : std::vector<std::int64_t>{info.rows, info.cols};
    if (tensor.dtype != io::DType::f32 || tensor.shape != expected) {
      raise<IoError>("Recommender.load", tensor.name, "a tensor of another type or shape",
                     "float32 of shape " + shape_string(info.rows, info.cols));
    }
    std::copy_n(tensor.bytes.data(), tensor.bytes.size(),
                reinterpret_cast<std::byte*>(parameters.values().data + info.offset));
  }
  expect_converged("Recommender.load", {}, std::as_const(parameters).values());
}

}  // namespace

void Recommender::save(std::filesystem::path const& directory) const {
  expect_fitted("Recommender.save");
  Json report = Json::object();
  each_count(graph_report_, [&](char const* name, auto const& value) { report[name] = value; });
  RecommenderConfig portable = config_;  // how much memory there is, and where files go, is not of
  portable.graph.memory_limit = 0;       // the model but of the machine that trained it
  portable.graph.temp_folder.clear();
  Json const config = {{"recommender", Json::parse(model::to_json(portable))},
                       {"item_types", {{"names", types_.names}, {"offsets", types_.offsets}}},
                       {"graph_report", report},
                       {"hgnn_history", to_json(hgnn_history_)},
                       {"tower_history", to_json(tower_history_)},
                       {"unseen_bias", towers_.unseen_bias()},
                       {"user_features", user_features_.cols()},
                       {"extra", extra_}};

  io::CheckpointWriter writer;
  writer.set_config(config.dump(2));
  writer.add_vocabulary("items", items_);
  writer.add_vocabulary("users", users_);
  auto& tensors = writer.tensors();
  tensors.add("item_features", item_features_.view());
  tensors.add("user_features", user_features_.view());
  tensors.add("general_vectors", general_vectors_.view());
  tensors.add("tower_vectors", tower_vectors_.view());
  tensors.add("item_bias", towers_.item_bias());
  add_parameters(tensors, "hgnn.", hgnn_.parameters());
  add_parameters(tensors, "towers.", towers_.parameters());
  tensors.add("links.lower", links_.lower.view());
  tensors.add("links.upper", links_.upper.view());
  tensors.add("links.count", links_.count.view());
  tensors.add("links.weight", links_.weight.view());
  auto const histories = log_->histories();
  tensors.add("log.offsets", histories.offsets);
  tensors.add("log.items", histories.items);
  tensors.add("log.strong", histories.strong);
  tensors.add("log.times", log_->times());

  std::int64_t const added = std::ssize(added_types_);
  std::vector<std::int32_t> added_types;
  for (NodeTypeId const type : added_types_) {
    added_types.push_back(index(type));
  }
  tensors.add("added.types", VectorView<std::int32_t const>(added_types.data(), added));
  Matrix<float> added_vectors(added, index_->dimension());
  index_->copy_vectors(index_->size() - added, added_vectors.view());
  tensors.add("added.tower_vectors", std::as_const(added_vectors).view());
  writer.commit(directory);
}

Recommender Recommender::load(std::filesystem::path const& directory) {
  auto const refuse = [&](std::string const& got) {
    raise<IoError>("Recommender.load", directory.string(), got, "a saved recommender",
                   "The checkpoint is damaged or of another program; copy or save it again.");
  };
  try {
    return read(directory);
  } catch (IoError const& error) {
    if (std::string_view(error.what()).find(directory.string()) != std::string_view::npos) {
      throw;  // it names the file
    }
    refuse(error.what());
  } catch (Error const& error) {  // the parts do not fit each other
    refuse(error.what());
  } catch (Json::exception const& error) {
    refuse(error.what());
  } catch (std::bad_alloc const&) {
    refuse("sizes beyond the memory");
  }
  return Recommender();  // not reached
}

Recommender Recommender::read(std::filesystem::path const& directory) {
  constexpr std::string_view here = "Recommender.load";
  io::CheckpointReader const reader(directory);
  auto const& tensors = reader.tensors();
  Json const json = Json::parse(reader.config(), nullptr, /*allow_exceptions=*/false);
  Recommender model(recommender_config_from_json(json.at("recommender").dump()));
  RecommenderConfig const& config = model.config_;
  model.types_ = {json.at("item_types").at("names").get<std::vector<std::string>>(),
                  wholes(json.at("item_types").at("offsets"))};
  model.types_.check();
  std::int64_t const items = model.types_.offsets.back();
  each_count(model.graph_report_, [&](char const* name, auto& value) {
    Json const& entry = json.at("graph_report").at(name);
    if constexpr (std::is_integral_v<std::remove_reference_t<decltype(value)>>) {
      value = whole(entry);
    } else {
      value = wholes(entry);
    }
  });
  model.hgnn_history_ = history_from_json(json.at("hgnn_history"));
  model.tower_history_ = history_from_json(json.at("tower_history"));
  model.extra_ = json.at("extra").get<std::string>();
  model.items_ = reader.vocabulary("items");
  model.users_ = reader.vocabulary("users");
  model.item_features_ = tensors.matrix<float>("item_features");
  model.user_features_ = tensors.matrix<float>("user_features");
  model.general_vectors_ = tensors.matrix<float>("general_vectors");
  model.tower_vectors_ = tensors.matrix<float>("tower_vectors");
  model.links_ = {.lower = tensors.vector<NodeId>("links.lower"),
                  .upper = tensors.vector<NodeId>("links.upper"),
                  .count = tensors.vector<std::int64_t>("links.count"),
                  .weight = tensors.vector<float>("links.weight")};
  model.log_ = std::make_shared<SortedLog const>(
      tensors.vector<std::int64_t>("log.offsets"), tensors.vector<NodeId>("log.items"),
      tensors.vector<std::int64_t>("log.times"), tensors.vector<std::uint8_t>("log.strong"), items);

  auto const features = model.item_features_.cols();
  auto const user_features = whole(json.at("user_features"));
  expect_shape(here, "item_features", model.item_features_.view(), items,
               std::max<std::int64_t>(features, 1));
  expect_features(here, "item_features", model.item_features_.view());
  expect_features(here, "user_features", model.user_features_.view());
  expect_shape(here, "user_features", model.user_features_.view(),
               user_features > 0 ? model.users_.size() : model.user_features_.rows(),
               user_features);
  expect_links(here, model.types_, model.links_);
  auto const added_types = tensors.vector<std::int32_t>("added.types");
  expect_indices(here, "added.types", added_types.view(), std::ssize(model.types_.names));
  if (model.items_.size() != items + added_types.size() ||
      model.users_.size() != model.log_->user_count()) {
    raise<ShapeError>(here, "items, users",
                      std::to_string(model.items_.size()) + " and " +
                          std::to_string(model.users_.size()) + " ids",
                      std::to_string(items + added_types.size()) + " and " +
                          std::to_string(model.log_->user_count()));
  }

  model.hgnn_ = Hgnn(config.hgnn);
  if (config.use_hgnn) {
    model.hgnn_.initialize(model.types_, features);
    read_parameters(tensors, "hgnn.", model.hgnn_.parameters());
  }
  expect_shape(here, "general_vectors", model.general_vectors_.view(), items,
               config.use_hgnn ? model.hgnn_.out_features() : features);
  model.towers_ = TwoTower(config.towers);
  model.towers_.initialize({.types = std::ssize(model.types_.names),
                            .item_features = features,
                            .item_vectors = model.general_vectors_.cols(),
                            .user_features = user_features},
                           items);
  read_parameters(tensors, "towers.", model.towers_.parameters());
  expect_shape(here, "tower_vectors", model.tower_vectors_.view(), items,
               model.towers_.out_features());
  auto const bias = tensors.vector<float>("item_bias");
  expect_size(here, "item_bias", bias.view(), items);
  std::copy(bias.view().begin(), bias.view().end(), model.towers_.item_bias().begin());
  auto const unseen_bias = json.at("unseen_bias").get<double>();
  if (std::abs(unseen_bias) > 1e17) {  // as large as the index takes
    raise<IoError>(here, "unseen_bias", json.at("unseen_bias").dump(), "at most 1e17");
  }
  model.towers_.set_unseen_bias(static_cast<float>(unseen_bias));

  HostContext const ctx;
  model.adopt_general(model.general(ctx, std::move(model.general_vectors_)));
  model.adopt_tower(model.tower(model.towers_, std::move(model.tower_vectors_)));
  auto const added_vectors = tensors.matrix<float>("added.tower_vectors");
  for (std::int32_t const type : added_types.view()) {
    model.added_types_.push_back(static_cast<NodeTypeId>(type));
  }
  std::vector<float> const added_bias(model.added_types_.size(), model.towers_.unseen_bias());
  model.index_->add(added_vectors.view(),
                    {model.added_types_.data(), std::ssize(model.added_types_)},
                    {added_bias.data(), std::ssize(added_bias)});
  return model;
}

}  // namespace relweave::model
