#include <relweave/model/config_json.hpp>
#include <relweave/model/hgnn.hpp>
#include <relweave/model/two_tower.hpp>

#include "device_context.hpp"
#include "model_arrays.hpp"

namespace relweave::python {

namespace {

using model::Hgnn;
using model::TwoTower;

/// Links between items and what became of the events: what the HGNN trains on.
struct ItemGraph {
  graph::ItemTypes types;
  graph::ItemLinks links;
  graph::CoInteractionReport report;
};

ItemGraph build_graph(Array<NodeId> const& user, Array<NodeId> const& item,
                      Array<std::int64_t> const& time, Array<std::uint8_t> const& strong,
                      std::int64_t user_count, std::vector<std::string> type_names,
                      std::vector<std::int64_t> type_offsets, std::string const& config,
                      int threads, py::object progress) {
  ItemGraph result{.types = item_types(std::move(type_names), std::move(type_offsets))};
  graph::InteractionLogView const log{.user = vector_of(user),
                                      .item = vector_of(item),
                                      .time = vector_of(time),
                                      .strong = vector_of(strong),
                                      .user_count = user_count,
                                      .item_count = result.types.offsets.back()};
  auto const settings = model::recommender_config_from_json(config).graph;
  TrainingMonitor monitor(std::move(progress));
  try {
    py::gil_scoped_release const release;
    result.links = graph::co_interaction_links(HostContext{.threads = threads}, log, result.types,
                                               settings, &result.report, monitor.callback());
  } catch (StoppedError const&) {
    monitor.rethrow();
    throw;
  }
  return result;
}

ItemGraph graph_of_links(std::vector<std::string> type_names,
                         std::vector<std::int64_t> type_offsets, Array<NodeId> const& lower,
                         Array<NodeId> const& upper, Array<std::int64_t> const& count,
                         Array<float> const& weight) {
  ItemGraph result{.types = item_types(std::move(type_names), std::move(type_offsets))};
  result.links = {.lower = buffer_of(lower),
                  .upper = buffer_of(upper),
                  .count = buffer_of(count),
                  .weight = buffer_of(weight)};
  result.report.links = lower.size();
  return result;
}

py::tuple fit_hgnn(Hgnn& self, ItemGraph const& graph, AnyMatrix const& features, int threads,
                   int device, py::object progress) {
  TrainingMonitor monitor(std::move(progress));
  model::TrainingHistory history;
  with_context(threads, device, [&]<AnyContext C>(C const& ctx) {
    Input<space_of<C>> const x(ctx, features);
    history = self.fit(ctx, graph.types, graph.links, x.view(), monitor.callback());
  });
  return py::make_tuple(history_of(history), monitor.error());
}

py::object embed(Hgnn const& self, ItemGraph const& graph, AnyMatrix const& features, int threads,
                 int device) {
  Output<float> out(rows_of(features), self.out_features(), on_device(features));
  with_context(threads, device, [&]<AnyContext C>(C const& ctx) {
    Input<space_of<C>> const x(ctx, features);
    self.embed(ctx, graph.types, graph.links, x.view(), out.view(ctx));
    out.finish(ctx);
  });
  return out.take();
}

py::object embed_new(Hgnn const& self, ItemGraph const& graph, AnyMatrix const& features,
                     Array<std::int32_t> const& types, AnyMatrix const& new_features,
                     Array<NodeId> const& link_new, Array<NodeId> const& link_item, int threads,
                     int device) {
  auto const type_ids = types_of(types);
  model::NewItemLinks const links{.new_item = vector_of(link_new), .item = vector_of(link_item)};
  Output<float> out(rows_of(new_features), self.out_features(),
                    on_device(features) || on_device(new_features));
  with_context(threads, device, [&]<AnyContext C>(C const& ctx) {
    Input<space_of<C>> const x(ctx, features);
    Input<space_of<C>> const fresh(ctx, new_features);
    self.embed_new(ctx, graph.types, graph.links, x.view(), view_of(type_ids), fresh.view(), links,
                   out.view(ctx));
    out.finish(ctx);
  });
  return out.take();
}

py::tuple fit_towers(TwoTower& self, Array<NodeId> const& user, Array<NodeId> const& item,
                     Array<std::int64_t> const& time, Array<std::uint8_t> const& strong,
                     std::int64_t user_count, std::vector<std::string> type_names,
                     std::vector<std::int64_t> type_offsets, AnyMatrix const& features,
                     AnyMatrix const& vectors, std::optional<AnyMatrix> const& cold_vectors,
                     std::optional<Array<float>> const& user_features, int threads, int device,
                     py::object progress) {
  auto const types = item_types(std::move(type_names), std::move(type_offsets));
  graph::InteractionLogView const log{.user = vector_of(user),
                                      .item = vector_of(item),
                                      .time = vector_of(time),
                                      .strong = vector_of(strong),
                                      .user_count = user_count,
                                      .item_count = types.offsets.back()};
  auto const extra = matrix_of(user_features);
  TrainingMonitor monitor(std::move(progress));
  model::TrainingHistory history;
  with_context(threads, device, [&]<AnyContext C>(C const& ctx) {
    Input<space_of<C>> const x(ctx, features);
    Input<space_of<C>> const z(ctx, vectors);
    Input<space_of<C>> const cold(ctx, cold_vectors);
    history = self.fit(ctx, log, types,
                       {.features = x.view(), .vectors = z.view(), .cold_vectors = cold.view()},
                       extra, monitor.callback());
  });
  return py::make_tuple(history_of(history), monitor.error());
}

py::object item_vectors(TwoTower const& self, Array<std::int32_t> const& types,
                        AnyMatrix const& features, AnyMatrix const& vectors, int threads,
                        int device) {
  auto const type_ids = types_of(types);
  Output<float> out(std::ssize(type_ids), self.out_features(),
                    on_device(features) || on_device(vectors));
  with_context(threads, device, [&]<AnyContext C>(C const& ctx) {
    Input<space_of<C>> const x(ctx, features);
    Input<space_of<C>> const z(ctx, vectors);
    self.item_vectors(ctx, view_of(type_ids), {.features = x.view(), .vectors = z.view()},
                      out.view(ctx));
    out.finish(ctx);
  });
  return out.take();
}

py::object user_vectors(TwoTower const& self, Array<std::int64_t> const& offsets,
                        Array<NodeId> const& items, Array<std::uint8_t> const& strong,
                        std::vector<std::string> type_names, std::vector<std::int64_t> type_offsets,
                        AnyMatrix const& vectors, std::optional<Array<float>> const& user_features,
                        int threads, int device) {
  auto const types = item_types(std::move(type_names), std::move(type_offsets));
  model::Histories const histories{
      .offsets = vector_of(offsets), .items = vector_of(items), .strong = vector_of(strong)};
  auto const extra = matrix_of(user_features);
  Output<float> out(histories.offsets.size - 1, self.out_features(), on_device(vectors));
  with_context(threads, device, [&]<AnyContext C>(C const& ctx) {
    Input<space_of<C>> const z(ctx, vectors);
    self.user_vectors(ctx, histories, types, z.view(), extra, out.view(ctx));
    out.finish(ctx);
  });
  return out.take();
}

}  // namespace

void bind_stages(py::module_& m) {
  py::class_<ItemGraph> item_graph(m, "ItemGraph",
                                   "Undirected links between items of several types.");
  refuse_pickle(item_graph, "CoInteractionGraph",
                "Keep edges(), counts and weights, or build it again; a Recommender's save(path) "
                "keeps its graph.");
  item_graph
      .def_static("build", &build_graph, py::kw_only(), py::arg("user"), py::arg("item"),
                  py::arg("time"), py::arg("strong"), py::arg("user_count"), py::arg("type_names"),
                  py::arg("type_offsets"), py::arg("config"), py::arg("threads"),
                  py::arg("progress"))
      .def_static("from_links", &graph_of_links, py::kw_only(), py::arg("type_names"),
                  py::arg("type_offsets"), py::arg("lower"), py::arg("upper"), py::arg("count"),
                  py::arg("weight"))
      .def_property_readonly("lower",
                             [](ItemGraph const& g) { return copy_of(g.links.lower.view()); })
      .def_property_readonly("upper",
                             [](ItemGraph const& g) { return copy_of(g.links.upper.view()); })
      .def_property_readonly("count",
                             [](ItemGraph const& g) { return copy_of(g.links.count.view()); })
      .def_property_readonly("weight",
                             [](ItemGraph const& g) { return copy_of(g.links.weight.view()); })
      .def_property_readonly("report", [](ItemGraph const& g) { return report_of(g.report); });

  py::class_<Hgnn> hgnn(m, "HgnnModel", "Heterogeneous GraphSAGE over an item graph.");
  refuse_pickle(hgnn, "HGNN", "Keep vectors_, or train a Recommender, which has save(path).");
  hgnn.def(py::init([](std::string const& config) {
             return Hgnn(model::recommender_config_from_json(config).hgnn);
           }),
           py::arg("config"))
      .def("fit", &fit_hgnn, py::arg("graph"), py::arg("features"), py::kw_only(),
           py::arg("threads"), py::arg("device"), py::arg("progress"))
      .def("embed", &embed, py::arg("graph"), py::arg("features"), py::kw_only(),
           py::arg("threads"), py::arg("device"))
      .def("embed_new", &embed_new, py::arg("graph"), py::arg("features"), py::kw_only(),
           py::arg("types"), py::arg("new_features"), py::arg("link_new"), py::arg("link_item"),
           py::arg("threads"), py::arg("device"))
      .def_property_readonly("fitted", &Hgnn::fitted)
      .def("parameters", [](Hgnn const& h) { return parameters_of(h.parameters()); })
      .def("load_parameters",
           [](Hgnn& h, py::dict const& values) { set_parameters(h.parameters(), values); })
      .def("initialize", [](Hgnn& h, ItemGraph const& graph, std::int64_t feature_count) {
        h.initialize(graph.types, feature_count);
      });

  py::class_<TwoTower> two_tower(m, "TwoTowerModel", "User tower and item tower.");
  refuse_pickle(two_tower, "TwoTower",
                "Keep item_vectors_, or train a Recommender, which has save(path).");
  two_tower
      .def(py::init([](std::string const& config) {
             return TwoTower(model::recommender_config_from_json(config).towers);
           }),
           py::arg("config"))
      .def("fit", &fit_towers, py::kw_only(), py::arg("user"), py::arg("item"), py::arg("time"),
           py::arg("strong"), py::arg("user_count"), py::arg("type_names"), py::arg("type_offsets"),
           py::arg("features"), py::arg("vectors"), py::arg("cold_vectors"),
           py::arg("user_features"), py::arg("threads"), py::arg("device"), py::arg("progress"))
      .def("item_vectors", &item_vectors, py::kw_only(), py::arg("types"), py::arg("features"),
           py::arg("vectors"), py::arg("threads"), py::arg("device"))
      .def("user_vectors", &user_vectors, py::kw_only(), py::arg("offsets"), py::arg("items"),
           py::arg("strong"), py::arg("type_names"), py::arg("type_offsets"), py::arg("vectors"),
           py::arg("user_features"), py::arg("threads"), py::arg("device"))
      .def_property_readonly("fitted", &TwoTower::fitted)
      .def_property_readonly("item_bias", [](TwoTower const& t) { return copy_of(t.item_bias()); })
      .def("parameters", [](TwoTower const& t) { return parameters_of(t.parameters()); });
}

}  // namespace relweave::python
