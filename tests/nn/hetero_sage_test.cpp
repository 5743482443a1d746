#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/graph/builder.hpp>
#include <relweave/nn/hetero_sage.hpp>

#include "support/gradient_check.hpp"
#include "support/random_graph.hpp"

using namespace relweave;
using namespace relweave::nn;

namespace {

graph::Schema movies() {
  return graph::Schema({"user", "item", "tag"}, {{NodeTypeId{0}, "rates", NodeTypeId{1}},
                                                 {NodeTypeId{1}, "rates", NodeTypeId{0}},
                                                 {NodeTypeId{1}, "co", NodeTypeId{1}},
                                                 {NodeTypeId{2}, "marks", NodeTypeId{1}}});
}

/// 7 users, 9 items, 4 tags; tags receive nothing, "marks" has one edge.
graph::HeteroGraph small_graph() {
  graph::HeteroGraphBuilder builder(movies(), {7, 9, 4});
  auto const add = [&](std::int32_t relation, std::int64_t sources, std::int64_t destinations,
                       std::int64_t edges) {
    auto const s = test::random_indices(edges, sources, static_cast<std::uint64_t>(relation));
    auto const d =
        test::random_indices(edges, destinations, static_cast<std::uint64_t>(relation) + 10);
    builder.add_edges(static_cast<RelationId>(relation), test::view_of(s), test::view_of(d));
  };
  add(0, 7, 9, 20);
  add(1, 9, 7, 15);
  add(2, 9, 9, 25);
  add(3, 4, 9, 1);
  return builder.build(HostContext{});
}

struct Network {
  graph::HeteroGraph graph = small_graph();
  HeteroSage<double> sage;
  ParameterSet<double> parameters;
  std::vector<Matrix<double>> inputs;

  explicit Network(HeteroSageConfig config) : sage(graph.schema(), std::move(config)) {
    sage.register_parameters(parameters);
    parameters.allocate();
    sage.initialize(parameters, 11);
    for (ParameterInfo const& info : parameters.infos()) {
      if (info.vector) {  // biases away from zero, so that relu has both sides
        for (std::int64_t i = 0; i < info.cols; ++i) {
          parameters.values()[info.offset + i] = 0.1 * static_cast<double>(i % 3 - 1);
        }
      }
    }
    std::int64_t const counts[] = {7, 9, 4};
    for (std::size_t t = 0; t < 3; ++t) {
      inputs.push_back(test::random_matrix<double>(counts[t], sage.config().in_features[t], 5 + t));
    }
  }

  std::vector<MatrixView<double const>> input_views() const {
    return {inputs[0].view(), inputs[1].view(), inputs[2].view()};
  }

  std::vector<BlockView> blocks() const {
    return std::vector<BlockView>(sage.config().out_features.size(), graph.block());
  }

  void forward(HeteroSageCache<double>& cache) const {
    auto const views = input_views();
    sage.forward(HostContext{.threads = 2}, parameters, blocks(), views, cache);
  }
};

HeteroSageConfig two_layers() {
  return {.in_features = {3, 5, 2}, .out_features = {6, 4}};
}

double relu(double x) {
  return x > 0 ? x : 0;
}

}  // namespace

TEST_CASE("one layer gives what its formula gives, written out", "[nn][hetero_sage]") {
  Network net({.in_features = {3, 5, 2},
               .out_features = {4},
               .last_activation = Activation::relu,
               .l2_normalize = false});
  HeteroSageCache<double> cache;

  net.forward(cache);

  auto const& p = net.parameters;
  auto const block = net.graph.block();
  for (DestinationBlock const& destination : block.destinations) {
    auto const type = net.graph.schema().name(destination.type);
    auto const self = p.matrix(p.find("layers.0.self." + type + ".weight"));
    auto const& h = net.inputs[static_cast<std::size_t>(index(destination.type))];
    for (std::int64_t d = 0; d < destination.csr.n_dst; ++d) {
      for (std::int64_t f = 0; f < 4; ++f) {
        double total = 0;
        for (std::int64_t k = 0; k < h.cols(); ++k) {
          total += h.view()(d, k) * self(k, f);
        }
        for (std::size_t r = 0; r < destination.relations.size(); ++r) {
          RelationBlock const& relation = destination.relations[r];
          std::string const name =
              "layers.0.message." + net.graph.schema().full_name(relation.relation);
          auto const w = p.matrix(p.find(name + ".weight"));
          auto const b = p.vector(p.find(name + ".bias"));
          auto const& source = net.inputs[static_cast<std::size_t>(index(relation.source))];
          auto const row = static_cast<std::int64_t>(r) + d * destination.csr.relations;
          double best = 0;
          for (auto e = destination.csr.row_offsets[row]; e < destination.csr.row_offsets[row + 1];
               ++e) {
            auto const s = destination.csr.cols[e] - relation.message_base;
            double m = b[f];
            for (std::int64_t k = 0; k < source.cols(); ++k) {
              m += source.view()(s, k) * w(k, f);
            }
            best = std::max(best, relu(m));  // messages are not negative, so 0 is the empty max
          }
          total += best;
        }
        CHECK(cache.output(destination.type)(d, f) == Approx(relu(total)).margin(1e-12));
      }
    }
  }
}

TEST_CASE("gradients of all parameters and inputs match central differences", "[nn][hetero_sage]") {
  HeteroSageConfig config = two_layers();
  config.reduce = GENERATE(Reduce::max, Reduce::mean, Reduce::sum);
  config.l2_normalize = GENERATE(true, false);
  Network net(config);
  std::vector<Matrix<double>> weights;
  for (std::int64_t const n : {7, 9, 4}) {
    weights.push_back(test::random_matrix<double>(n, 4, static_cast<std::uint64_t>(n)));
  }
  HeteroSageCache<double> cache;
  auto const loss = [&] {
    net.forward(cache);
    double total = 0;
    for (std::size_t t = 0; t < 3; ++t) {
      total +=
          test::inner_product<double>(weights[t].view(), cache.output(static_cast<NodeTypeId>(t)));
    }
    return total;
  };

  auto const expected_parameters =
      test::numerical_gradient({net.parameters.values().data, 1, net.parameters.size()}, loss);
  std::vector<Matrix<double>> expected_inputs;
  for (auto& input : net.inputs) {
    expected_inputs.push_back(test::numerical_gradient(input.view(), loss));
  }
  loss();
  net.parameters.zero_gradients();
  std::vector<Matrix<double>> grad_inputs;
  std::vector<MatrixView<double>> grad_views;
  for (auto const& input : net.inputs) {
    grad_views.push_back(grad_inputs.emplace_back(input.rows(), input.cols()).view());
  }
  std::vector<MatrixView<double const>> const outputs{weights[0].view(), weights[1].view(),
                                                      weights[2].view()};
  auto const views = net.input_views();
  net.sage.backward(HostContext{.threads = 2}, net.parameters, net.blocks(), views, cache, outputs,
                    grad_views);

  MatrixView<double const> const got{net.parameters.gradients().data, 1, net.parameters.size()};
  CHECK(test::largest_difference<double>(got, expected_parameters.view()) < 1e-7);
  for (std::size_t t = 0; t < 3; ++t) {
    CHECK(test::largest_difference(grad_inputs[t], expected_inputs[t]) < 1e-7);
  }
}

TEST_CASE("shared weights receive the gradients of both directions", "[nn][hetero_sage]") {
  HeteroSageConfig config{.in_features = {3, 3, 3},
                          .out_features = {5},
                          .sharing = WeightSharing::shared_between_directions};
  Network net(config);

  auto const& infos = net.parameters.infos();

  CHECK(std::count_if(infos.begin(), infos.end(), [](ParameterInfo const& i) {
          return i.name.find("rates") != std::string::npos;
        }) == 2);  // one weight and one bias for both directions
  CHECK_NOTHROW(net.parameters.find("layers.0.message.user__rates__item.weight"));
  CHECK_THROWS_AS(net.parameters.find("layers.0.message.item__rates__user.weight"), ConfigError);
}

TEST_CASE("a layer gives the same bits for 1, 2 and 3 threads", "[nn][hetero_sage]") {
  Network const net(two_layers());
  HeteroSageCache<double> one, more;
  auto const views = net.input_views();
  net.sage.forward(HostContext{.threads = 1}, net.parameters, net.blocks(), views, one);

  net.sage.forward(HostContext{.threads = GENERATE(2, 3)}, net.parameters, net.blocks(), views,
                   more);

  for (std::int32_t const t : {0, 1, 2}) {
    auto const a = one.output(static_cast<NodeTypeId>(t));
    CHECK(
        std::equal(a.data, a.data + a.rows * a.cols, more.output(static_cast<NodeTypeId>(t)).data));
  }
}

TEST_CASE("HeteroSage refuses sizes that do not fit", "[nn][hetero_sage]") {
  auto const schema = movies();

  CHECK_THROWS_AS(HeteroSage<float>(schema, {.in_features = {3}, .out_features = {4}}),
                  ConfigError);
  CHECK_THROWS_AS(HeteroSage<float>(schema, {.in_features = {3, 3, 3}, .out_features = {}}),
                  ConfigError);
  CHECK_THROWS_AS(HeteroSage<float>(schema, {.in_features = {3, 4, 3},
                                             .out_features = {2},
                                             .sharing = WeightSharing::shared_between_directions}),
                  ConfigError);
  Network net(two_layers());
  net.inputs[1] = Matrix<double>(9, 4);
  HeteroSageCache<double> cache;
  CHECK_THROWS_WITH(net.forward(cache), Catch::Contains("item") && Catch::Contains("(9, 5)"));
}
