#include <catch2/catch.hpp>

#include <cmath>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/error.hpp>
#include <relweave/optim/sgd.hpp>

#include "support/gradient_check.hpp"

using namespace relweave;

TEST_CASE("SGD follows its recurrence step by step", "[optim][sgd]") {
  double const momentum = GENERATE(0.0, 0.9);
  bool const nesterov = GENERATE(false, true);
  double const decay = GENERATE(0.0, 0.1);
  double const dampening = GENERATE(0.0, 0.3);
  bool const without_momentum = momentum == 0 && (nesterov || dampening != 0);
  if (without_momentum || (nesterov && dampening != 0)) {
    return;
  }
  std::vector<double> values{1.0, -2.0, 0.5};
  std::vector<double> expected = values, velocity(3, 0);
  optim::Sgd<double> sgd(
      {.momentum = momentum, .dampening = dampening, .weight_decay = decay, .nesterov = nesterov},
      3);

  for (int t = 1; t <= 20; ++t) {
    std::vector<double> gradients;
    for (std::size_t i = 0; i < 3; ++i) {
      gradients.push_back(std::sin(static_cast<double>(t) + static_cast<double>(i)));
      double const g = gradients[i] + decay * expected[i];
      velocity[i] = momentum * velocity[i] + (t == 1 ? 1 : 1 - dampening) * g;
      expected[i] -= 0.01 * (nesterov ? g + momentum * velocity[i] : velocity[i]);
    }
    sgd.step(HostContext{}, {values.data(), 3}, {gradients.data(), 3}, 0.01);
  }

  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(values[i] == Approx(expected[i]).epsilon(1e-12));
  }
}

TEST_CASE("a row moves as a parameter of its own", "[optim][sgd]") {
  optim::SgdConfig const config{.momentum = 0.8, .weight_decay = 0.01, .nesterov = true};
  auto table = Matrix<double>::from_rows({{1, 2}, {3, 4}, {5, 6}});
  auto alone = Matrix<double>::from_rows({{5, 6}});
  auto const gradients = Matrix<double>::from_rows({{0.5, -1}, {2, 0.25}});
  std::vector<NodeId> const both{2, 0}, other{0};
  optim::Sgd<double> sgd(config, 6);
  optim::Sgd<double> single(config, 2);
  auto const g = gradients.view();

  for (int t = 0; t < 3; ++t) {
    sgd.step_rows(HostContext{}, table.view(), {both.data(), 2}, g, 0.1);
    sgd.step_rows(HostContext{}, table.view(), {other.data(), 1}, g.row_slice(1, 1), 0.1);
    single.step(HostContext{}, {alone.data(), 2}, g.row(0), 0.1);
  }

  CHECK(table.view()(2, 0) == Approx(alone.view()(0, 0)).epsilon(1e-14));
  CHECK(table.view()(2, 1) == Approx(alone.view()(0, 1)).epsilon(1e-14));
  CHECK(table.view()(1, 0) == 3);
  CHECK(table.view()(0, 0) < 1);
}

TEST_CASE("SGD goes on from a velocity to the same bits", "[optim][sgd]") {
  optim::SgdConfig const config{.momentum = 0.9, .dampening = 0.3};
  auto values = Matrix<double>::from_rows({{1, 2, 3}});
  auto const gradients = Matrix<double>::from_rows({{0.5, -1, 0.25}});
  optim::Sgd<double> sgd(config, 3), resumed(config, 3);
  auto const step = [&](optim::Sgd<double>& optimizer, Matrix<double>& m) {
    optimizer.step(HostContext{}, m.view().row(0), gradients.view().row(0), 0.1);
  };
  step(sgd, values);
  auto copy = Matrix<double>::copy_of(values.view());

  resumed.restore(sgd.velocity());
  step(sgd, values);
  step(resumed, copy);

  CHECK(test::same_bits(values, copy));
  CHECK_THROWS_WITH(resumed.restore({values.data(), 2}), Catch::Contains("Sgd.restore: velocity"));
  CHECK(optim::Sgd<double>({}, 3).velocity().size == 0);
}

TEST_CASE("SGD refuses wrong sizes, rows and settings", "[optim][sgd]") {
  auto table = Matrix<float>::from_rows({{1, 2}, {3, 4}});
  auto const t = table.view();
  std::vector<NodeId> const rows{-1};
  optim::Sgd<float> sgd({}, 4);

  CHECK_THROWS_AS(sgd.step(HostContext{}, {t.data, 4}, {t.data, 3}, 0.01), ShapeError);
  CHECK_THROWS_WITH(sgd.step(HostContext{}, {t.data, 4}, {t.data, 4}, std::nan("")),
                    Catch::Contains("Sgd.step: learning_rate"));
  CHECK_THROWS_AS(sgd.step_rows(HostContext{}, t, {rows.data(), 1}, t.row_slice(0, 1), 0.01),
                  IndexError);
  CHECK_THROWS_WITH(optim::Sgd<float>({.nesterov = true}, 4), Catch::Contains("nesterov"));
  CHECK_THROWS_WITH(optim::Sgd<float>({.momentum = -1}, 4), Catch::Contains("momentum"));
  CHECK_THROWS_WITH(optim::Sgd<float>({.dampening = 0.5}, 4), Catch::Contains("without momentum"));
  CHECK_THROWS_WITH(optim::Sgd<float>({.momentum = 0.9, .dampening = 0.5, .nesterov = true}, 4),
                    Catch::Contains("dampening"));
  CHECK_THROWS_WITH(optim::Sgd<float>({.weight_decay = HUGE_VAL}, 4),
                    Catch::Contains("weight_decay"));
  CHECK(table.view()(1, 1) == 4);
}
