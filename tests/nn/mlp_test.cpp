#include <catch2/catch.hpp>

#include <numeric>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/nn/mlp.hpp>
#include <relweave/nn/pooled_linear.hpp>
#include <relweave/ops/linear/linear.hpp>

#include "support/gradient_check.hpp"
#include "support/random_graph.hpp"

using namespace relweave;
using namespace relweave::nn;

TEST_CASE("gradients of a multilayer perceptron match central differences", "[nn][mlp]") {
  Mlp<double> mlp("tower", {4, 6, 5, 3});
  ParameterSet<double> parameters;
  mlp.register_parameters(parameters);
  parameters.allocate();
  mlp.initialize(parameters, 3);
  auto x = test::random_matrix<double>(7, 4, 1);
  auto const weights = test::random_matrix<double>(7, 3, 2);
  MlpCache<double> cache;
  auto const loss = [&] {
    mlp.forward(HostContext{}, parameters, x.view(), cache);
    return test::inner_product<double>(weights.view(), cache.output());
  };

  auto const expected =
      test::numerical_gradient({parameters.values().data, 1, parameters.size()}, loss);
  auto const expected_x = test::numerical_gradient(x.view(), loss);
  loss();
  parameters.zero_gradients();
  Matrix<double> grad_x(7, 4);
  mlp.backward(HostContext{}, parameters, x.view(), cache, weights.view(), grad_x.view());

  MatrixView<double const> const got{parameters.gradients().data, 1, parameters.size()};
  CHECK(test::largest_difference<double>(got, expected.view()) < 1e-8);
  CHECK(test::largest_difference(grad_x, expected_x) < 1e-8);
}

namespace {

/// 5 rows over 3 groups of 2, 4 and 3 items, one row without history.
struct Pooled {
  std::vector<std::int64_t> groups{0, 2, 6, 9};
  std::vector<std::int64_t> offsets{0, 3, 3, 7, 8, 11};
  std::vector<NodeId> items{0, 1, 7, 2, 3, 5, 0, 8, 4, 6, 1};
  std::vector<double> weights{0.25, 0.75, 1, 0.5, 0.3, 0.2, 1, 1, 1, 1, 1};
  Matrix<double> table = test::random_matrix<double>(9, 4, 7);
  Matrix<double> extra = test::random_matrix<double>(5, 2, 8);
  PooledLinear<double> layer{
      "user.0", {.groups = 3, .in_features = 4, .extra_features = 2, .out_features = 6}};
  ParameterSet<double> parameters;

  Pooled() {
    layer.register_parameters(parameters);
    parameters.allocate();
    layer.initialize(parameters, 4);
  }

  PooledInput<double> input() const {
    return {.table = table.view(),
            .group_offsets = groups,
            .segments = {.offsets = test::view_of(offsets),
                         .indices = test::view_of(items),
                         .weights = test::view_of(weights)},
            .extra = extra.view()};
  }

  /// The wide input that the layer never builds.
  Matrix<double> concatenated() const {
    auto wide = Matrix<double>::zeros(5, 3 * 4 + 2);
    for (std::int64_t u = 0; u < 5; ++u) {
      for (auto e = offsets[static_cast<std::size_t>(u)];
           e < offsets[static_cast<std::size_t>(u) + 1]; ++e) {
        auto const k = static_cast<std::size_t>(e);
        std::int64_t const g = items[k] < 2 ? 0 : items[k] < 6 ? 1 : 2;
        for (std::int64_t c = 0; c < 4; ++c) {
          wide.view()(u, g * 4 + c) += weights[k] * table.view()(items[k], c);
        }
      }
      wide.view()(u, 12) = extra.view()(u, 0);
      wide.view()(u, 13) = extra.view()(u, 1);
    }
    return wide;
  }
};

}  // namespace

TEST_CASE("a pooled linear layer equals a linear layer on the concatenated means",
          "[nn][pooled_linear]") {
  Pooled p;
  PooledLinearCache<double> cache;
  Matrix<double> expected(5, 6);
  auto const weight = p.parameters.find("user.0.weight");
  auto const bias = p.parameters.find("user.0.bias");
  auto const wide = p.concatenated();
  ops::linear<double>(HostContext{}, wide.view(), p.parameters.matrix(weight),
                      p.parameters.vector(bias), {.activation = Activation::relu}, expected.view());

  p.layer.forward(HostContext{}, p.parameters, p.input(), cache);

  CHECK(test::largest_difference(cache.output, expected) < 1e-14);

  auto const grad = test::random_matrix<double>(5, 6, 9);
  auto expected_weight = Matrix<double>::zeros(14, 6);
  auto expected_bias = Buffer<double>::zeros(6);
  ops::linear_backward<double>(
      HostContext{}, wide.view(), p.parameters.matrix(weight), expected.view(), grad.view(),
      {.activation = Activation::relu},
      {.x = {}, .weight = expected_weight.view(), .bias = expected_bias.view()});
  p.layer.backward(HostContext{}, p.parameters, p.input(), cache, grad.view());

  CHECK(test::largest_difference<double>(p.parameters.matrix_gradient(weight),
                                         expected_weight.view()) < 1e-13);
  CHECK(std::equal(expected_bias.data(), expected_bias.data() + 6,
                   p.parameters.vector_gradient(bias).data,
                   [](double a, double b) { return a == Approx(b).margin(1e-13); }));
}

TEST_CASE("layers refuse inputs of another shape", "[nn]") {
  Pooled p;
  PooledLinearCache<double> cache;
  auto input = p.input();
  input.extra = input.extra.col_slice(0, 1);

  CHECK_THROWS_AS(p.layer.forward(HostContext{}, p.parameters, input, cache), ShapeError);
  CHECK_THROWS_AS(Mlp<float>("x", {3}), ConfigError);
  ParameterSet<float> parameters;
  parameters.add_vector("a", 2);
  CHECK_THROWS_AS(parameters.add_vector("a", 2), ConfigError);
  CHECK_THROWS_WITH(parameters.find("b"), Catch::Contains("one of a"));
}
