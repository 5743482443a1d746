#include <relweave/model/config_json.hpp>
#include <relweave/model/recommender.hpp>

#include "device_context.hpp"
#include "model_arrays.hpp"

namespace relweave::python {

namespace {

using model::Recommender;

using Answer = std::pair<Array<NodeId>, Array<float>>;

/// The filters of a request; keeps what RecommendOptions only refers to.
struct Filters {
  std::vector<NodeTypeId> types;
  std::vector<NodeId> allowed;

  Filters(std::vector<std::int32_t> const& type_codes, Array<NodeId> const& items)
      : types(types_of(type_codes)), allowed(items.data(), items.data() + items.size()) {}

  model::RecommendOptions options(std::int64_t k, bool exclude_seen) const {
    return {.k = k, .exclude_seen = exclude_seen, .types = types, .allowed = allowed};
  }
};

/// Allocates an (n, k) answer and lets fill(ctx, indices, scores) fill it.
template <typename F>
Answer answer(std::int64_t n, std::int64_t k, int threads, int device, F const& fill) {
  Answer result{new_matrix<NodeId>(n, k), new_matrix<float>(n, k)};
  auto const indices = mutable_matrix_of(result.first);
  auto const scores = mutable_matrix_of(result.second);
  with_context(threads, device, [&](auto const& ctx) { fill(ctx, indices, scores); });
  return result;
}

graph::InteractionLogView log_view(Array<NodeId> const& user, Array<NodeId> const& item,
                                   Array<std::int64_t> const& time,
                                   Array<std::uint8_t> const& strong, std::int64_t user_count,
                                   std::int64_t item_count) {
  return {.user = vector_of(user),
          .item = vector_of(item),
          .time = vector_of(time),
          .strong = vector_of(strong),
          .user_count = user_count,
          .item_count = item_count};
}

py::object fit(Recommender& self, Array<NodeId> const& user, Array<NodeId> const& item,
               Array<std::int64_t> const& time, Array<std::uint8_t> const& strong,
               std::int64_t user_count, std::vector<std::string> type_names,
               std::vector<std::int64_t> type_offsets, Array<float> const& item_features,
               std::optional<Array<float>> const& user_features, Ids item_ids, Ids user_ids,
               int threads, int device, py::object progress) {
  model::TrainingData data{.log = {},
                           .types = item_types(std::move(type_names), std::move(type_offsets)),
                           .item_features = matrix_of(item_features),
                           .user_features = matrix_of(user_features),
                           .items = vocabulary_of(std::move(item_ids)),
                           .users = vocabulary_of(std::move(user_ids))};
  data.log = log_view(user, item, time, strong, user_count, data.types.offsets.back());
  TrainingMonitor monitor(std::move(progress));
  try {
    with_context(threads, device,
                 [&](auto const& ctx) { self.fit(ctx, std::move(data), monitor.callback()); });
  } catch (StoppedError const&) {
    monitor.rethrow();
    throw;
  }
  return monitor.error();
}

py::object refit_towers(Recommender& self, Array<NodeId> const& user, Array<NodeId> const& item,
                        Array<std::int64_t> const& time, Array<std::uint8_t> const& strong,
                        std::int64_t user_count, Ids user_ids,
                        std::optional<Array<float>> const& user_features, int threads, int device,
                        py::object progress) {
  io::Vocabulary users = vocabulary_of(std::move(user_ids));
  auto const log = log_view(user, item, time, strong, user_count, self.types().offsets.back());
  auto const features = matrix_of(user_features);
  TrainingMonitor monitor(std::move(progress));
  with_context(threads, device, [&](auto const& ctx) {
    self.refit_towers(ctx, log, std::move(users), features, monitor.callback());
  });
  return monitor.error();
}

void refit_graph(Recommender& self, Array<NodeId> const& user, Array<NodeId> const& item,
                 Array<std::int64_t> const& time, Array<std::uint8_t> const& strong,
                 std::int64_t user_count, int threads, int device, py::object progress) {
  auto const log = log_view(user, item, time, strong, user_count, self.types().offsets.back());
  TrainingMonitor monitor(std::move(progress));
  try {
    with_context(threads, device,
                 [&](auto const& ctx) { self.refit_graph(ctx, log, monitor.callback()); });
  } catch (StoppedError const&) {
    monitor.rethrow();
    throw;
  }
}

Answer recommend(Recommender const& self, Array<std::int64_t> const& offsets,
                 Array<NodeId> const& items, Array<std::uint8_t> const& strong,
                 std::optional<Array<float>> const& user_features, std::int64_t k,
                 bool exclude_seen, std::vector<std::int32_t> const& types,
                 Array<NodeId> const& allowed, int threads, int device) {
  model::Histories const histories{
      .offsets = vector_of(offsets), .items = vector_of(items), .strong = vector_of(strong)};
  auto const features = matrix_of(user_features);
  Filters const filters(types, allowed);
  return answer(histories.offsets.size - 1, k, threads, device,
                [&](auto const& ctx, auto indices, auto scores) {
                  self.recommend(ctx, histories, features, filters.options(k, exclude_seen),
                                 indices, scores);
                });
}

Answer recommend_users(Recommender const& self, Array<NodeId> const& users, std::int64_t k,
                       bool exclude_seen, std::vector<std::int32_t> const& types,
                       Array<NodeId> const& allowed, int threads, int device) {
  auto const codes = vector_of(users);
  Filters const filters(types, allowed);
  return answer(codes.size, k, threads, device, [&](auto const& ctx, auto indices, auto scores) {
    self.recommend_users(ctx, codes, filters.options(k, exclude_seen), indices, scores);
  });
}

Array<float> score(Recommender const& self, Array<std::int64_t> const& offsets,
                   Array<NodeId> const& items, Array<std::uint8_t> const& strong,
                   std::optional<Array<float>> const& user_features, int threads, int device) {
  model::Histories const histories{
      .offsets = vector_of(offsets), .items = vector_of(items), .strong = vector_of(strong)};
  auto const features = matrix_of(user_features);
  auto result = new_matrix<float>(histories.offsets.size - 1, self.items().size());
  auto const out = mutable_matrix_of(result);
  with_context(threads, device,
               [&](auto const& ctx) { self.score(ctx, histories, features, out); });
  return result;
}

Array<float> score_users(Recommender const& self, Array<NodeId> const& users, int threads,
                         int device) {
  auto const codes = vector_of(users);
  auto result = new_matrix<float>(codes.size, self.items().size());
  auto const out = mutable_matrix_of(result);
  with_context(threads, device, [&](auto const& ctx) { self.score_users(ctx, codes, out); });
  return result;
}

Answer similar_items(Recommender const& self, Array<NodeId> const& items, std::int64_t k,
                     int threads, int device) {
  auto const codes = vector_of(items);
  return answer(codes.size, k, threads, device, [&](auto const& ctx, auto indices, auto scores) {
    self.similar_items(ctx, codes, k, indices, scores);
  });
}

std::pair<Array<float>, Array<float>> embed_items(
    Recommender const& self, Array<std::int32_t> const& types, Array<float> const& features,
    Array<NodeId> const& link_new, Array<NodeId> const& link_item, int threads, int device) {
  auto const type_ids = types_of(types);
  auto const x = matrix_of(features);
  model::NewItemLinks const links{.new_item = vector_of(link_new), .item = vector_of(link_item)};
  auto general = new_matrix<float>(x.rows, self.general_vectors().cols);
  auto tower = new_matrix<float>(x.rows, self.tower_vectors().cols);
  auto const general_view = mutable_matrix_of(general);
  auto const tower_view = mutable_matrix_of(tower);
  with_context(threads, device, [&](auto const& ctx) {
    self.embed_items(ctx, view_of(type_ids), x, links, general_view, tower_view);
  });
  return {general, tower};
}

void add_items(Recommender& self, Array<std::int32_t> const& types, Array<float> const& features,
               Array<NodeId> const& link_new, Array<NodeId> const& link_item, Ids ids, int threads,
               int device) {
  auto const type_ids = types_of(types);
  auto const x = matrix_of(features);
  model::NewItemLinks const links{.new_item = vector_of(link_new), .item = vector_of(link_item)};
  io::Vocabulary const names = vocabulary_of(std::move(ids));
  with_context(threads, device,
               [&](auto const& ctx) { self.add_items(ctx, view_of(type_ids), x, links, names); });
}

py::tuple histories(Recommender const& self) {
  auto const h = self.histories();
  return py::make_tuple(copy_of(h.offsets), copy_of(h.items), copy_of(h.strong));
}

py::tuple links(Recommender const& self) {
  auto const& l = self.links();
  return py::make_tuple(copy_of(l.lower.view()), copy_of(l.upper.view()), copy_of(l.count.view()),
                        copy_of(l.weight.view()));
}

/// Type of every item, those added after training included.
Array<std::int32_t> all_item_types(Recommender const& self) {
  Array<std::int32_t> result(self.items().size());
  std::int32_t* out = result.mutable_data();
  auto const& offsets = self.types().offsets;
  for (std::size_t t = 0; t + 1 < offsets.size(); ++t) {
    out = std::fill_n(out, offsets[t + 1] - offsets[t], static_cast<std::int32_t>(t));
  }
  for (NodeTypeId const type : self.added_types()) {
    *out++ = index(type);
  }
  return result;
}

}  // namespace

void bind_recommender(py::module_& m) {
  m.def(
      "default_config", [] { return model::to_json(model::RecommenderConfig{}); },
      "Settings of the whole pipeline as JSON, every one at its default.");

  Array<NodeId> const none(0);
  py::class_<Recommender> recommender(m, "Recommender", "The whole pipeline, on dense ids.");
  refuse_pickle(recommender, "Recommender",
                "Write the model with save(path) and read it with rw.load(path).");
  recommender
      .def(py::init([](std::string const& config) {
             return Recommender(model::recommender_config_from_json(config));
           }),
           py::arg("config"))
      .def("fit", &fit, py::kw_only(), py::arg("user"), py::arg("item"), py::arg("time"),
           py::arg("strong"), py::arg("user_count"), py::arg("type_names"), py::arg("type_offsets"),
           py::arg("item_features"), py::arg("user_features") = py::none(), py::arg("item_ids"),
           py::arg("user_ids"), py::arg("threads") = 0, py::arg("device") = cpu_number,
           py::arg("progress") = py::none())
      .def("refit_towers", &refit_towers, py::kw_only(), py::arg("user"), py::arg("item"),
           py::arg("time"), py::arg("strong"), py::arg("user_count"), py::arg("user_ids"),
           py::arg("user_features") = py::none(), py::arg("threads") = 0,
           py::arg("device") = cpu_number, py::arg("progress") = py::none())
      .def("refit_graph", &refit_graph, py::kw_only(), py::arg("user"), py::arg("item"),
           py::arg("time"), py::arg("strong"), py::arg("user_count"), py::arg("threads") = 0,
           py::arg("device") = cpu_number, py::arg("progress") = py::none())
      .def("recommend", &recommend, py::arg("offsets"), py::arg("items"), py::arg("strong"),
           py::kw_only(), py::arg("user_features") = py::none(), py::arg("k"),
           py::arg("exclude_seen") = true, py::arg("types") = std::vector<std::int32_t>{},
           py::arg("allowed") = none, py::arg("threads") = 0, py::arg("device") = cpu_number)
      .def("recommend_users", &recommend_users, py::arg("users"), py::kw_only(), py::arg("k"),
           py::arg("exclude_seen") = true, py::arg("types") = std::vector<std::int32_t>{},
           py::arg("allowed") = none, py::arg("threads") = 0, py::arg("device") = cpu_number)
      .def("score", &score, py::arg("offsets"), py::arg("items"), py::arg("strong"), py::kw_only(),
           py::arg("user_features") = py::none(), py::arg("threads") = 0,
           py::arg("device") = cpu_number)
      .def("score_users", &score_users, py::arg("users"), py::kw_only(), py::arg("threads") = 0,
           py::arg("device") = cpu_number)
      .def("similar_items", &similar_items, py::arg("items"), py::kw_only(), py::arg("k"),
           py::arg("threads") = 0, py::arg("device") = cpu_number)
      .def("embed_items", &embed_items, py::kw_only(), py::arg("types"), py::arg("features"),
           py::arg("link_new") = none, py::arg("link_item") = none, py::arg("threads") = 0,
           py::arg("device") = cpu_number)
      .def("add_items", &add_items, py::kw_only(), py::arg("types"), py::arg("features"),
           py::arg("link_new") = none, py::arg("link_item") = none, py::arg("ids"),
           py::arg("threads") = 0, py::arg("device") = cpu_number)
      .def(
          "save",
          [](Recommender const& self, std::string const& path) {
            py::gil_scoped_release const release;
            self.save(path);
          },
          py::arg("path"))
      .def_static(
          "load",
          [](std::string const& path) {
            py::gil_scoped_release const release;
            return Recommender::load(path);
          },
          py::arg("path"))
      .def_property_readonly("config",
                             [](Recommender const& r) { return model::to_json(r.config()); })
      .def_property_readonly("fitted", &Recommender::fitted)
      .def_property_readonly("type_names", [](Recommender const& r) { return r.types().names; })
      .def_property_readonly("type_offsets", [](Recommender const& r) { return r.types().offsets; })
      .def_property_readonly("item_ids", [](Recommender const& r) { return ids_of(r.items()); })
      .def_property_readonly("user_ids", [](Recommender const& r) { return ids_of(r.users()); })
      .def_property_readonly("item_types", &all_item_types)
      .def_property_readonly("item_feature_count",
                             [](Recommender const& r) { return r.item_features().cols; })
      .def_property_readonly("links", &links)
      .def_property_readonly("graph_report",
                             [](Recommender const& r) { return report_of(r.graph_report()); })
      .def_property_readonly("hgnn_history",
                             [](Recommender const& r) { return history_of(r.hgnn_history()); })
      .def_property_readonly("tower_history",
                             [](Recommender const& r) { return history_of(r.tower_history()); })
      .def_property_readonly("general_vectors",
                             [](Recommender const& r) { return copy_of(r.general_vectors()); })
      .def_property_readonly("tower_vectors",
                             [](Recommender const& r) { return copy_of(r.tower_vectors()); })
      .def_property_readonly("user_features",
                             [](Recommender const& r) { return copy_of(r.user_features()); })
      .def_property_readonly("histories", &histories)
      .def_property("extra", &Recommender::extra, &Recommender::set_extra);
}

/// Called by the module's entry point.
void bind_model(py::module_& m) {
  bind_stages(m);
  bind_recommender(m);
}

}  // namespace relweave::python
