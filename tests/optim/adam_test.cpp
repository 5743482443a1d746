#include <catch2/catch.hpp>

#include <cmath>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/error.hpp>
#include <relweave/optim/adam.hpp>
#include <relweave/optim/early_stopping.hpp>
#include <relweave/optim/schedule.hpp>

#include "support/gradient_check.hpp"

using namespace relweave;

TEST_CASE("Adam follows its recurrence step by step", "[optim][adam]") {
  double const decay = GENERATE(0.0, 0.1);
  std::vector<double> values{1.0, -2.0, 0.5};
  optim::Adam<double> adam({.weight_decay = decay}, 3);
  std::vector<double> expected = values, m(3, 0), v(3, 0);

  for (int t = 1; t <= 20; ++t) {
    std::vector<double> gradients;
    for (std::size_t i = 0; i < 3; ++i) {
      gradients.push_back(std::sin(static_cast<double>(t) + static_cast<double>(i)));
      double const g = gradients[i] + decay * expected[i];
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.999 * v[i] + 0.001 * g * g;
      double const m_hat = m[i] / (1 - std::pow(0.9, t));
      double const v_hat = v[i] / (1 - std::pow(0.999, t));
      expected[i] -= 0.01 * m_hat / (std::sqrt(v_hat) + 1e-8);
    }
    adam.step(HostContext{}, {values.data(), 3}, {gradients.data(), 3}, 0.01);
  }

  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(values[i] == Approx(expected[i]).epsilon(1e-12));
  }
}

TEST_CASE("a step on rows moves these rows and their moments", "[optim][adam]") {
  auto table = Matrix<double>::from_rows({{1, 2}, {3, 4}, {5, 6}});
  auto const gradients = Matrix<double>::from_rows({{0.5, -1}, {2, 0.25}, {1, 1}});
  std::vector<NodeId> const rows{2, 0, 2};  // row 2 twice: its gradients add up
  optim::Adam<double> adam({}, 6);

  adam.step_rows(HostContext{}, table.view(), {rows.data(), 3}, gradients.view(), 0.1);
  adam.step_rows(HostContext{}, table.view(), {rows.data(), 1}, gradients.view().row_slice(0, 1),
                 0.1);

  auto const v = table.view();
  auto const moved = [](double g, double epsilon) {
    return 0.1 * g * (1 - 0.9) / (1 - 0.9) /
           (std::sqrt(g * g * (1 - 0.999) / (1 - 0.999)) + epsilon);
  };
  double const epsilon = 1e-8 / std::sqrt(1 - 0.999);  // added before the correction of the root
  CHECK(v(0, 0) == Approx(1 - moved(2, epsilon)).epsilon(1e-12));
  CHECK(v(0, 1) == Approx(2 - moved(0.25, epsilon)).epsilon(1e-12));
  CHECK(v(1, 0) == 3);
  CHECK(v(1, 1) == 4);
  double const first = 5 - moved(1.5, epsilon);
  double const mean = 0.9 * 0.1 * 1.5 + 0.1 * 0.5;
  double const square = 0.999 * 0.001 * 1.5 * 1.5 + 0.001 * 0.5 * 0.5;
  double const step = 0.1 * std::sqrt(1 - 0.999 * 0.999) / (1 - 0.81);
  CHECK(v(2, 0) == Approx(first - step * mean / (std::sqrt(square) + 1e-8)).epsilon(1e-12));
}

TEST_CASE("Adam goes on from its moments to the same bits", "[optim][adam]") {
  auto values = Matrix<float>::from_rows({{1, 2, 3}});
  auto const gradients = Matrix<float>::from_rows({{0.5F, -1, 0.25F}});
  optim::Adam<float> adam({}, 3), resumed({}, 3);
  auto const step = [&](optim::Adam<float>& optimizer, Matrix<float>& m) {
    optimizer.step(HostContext{}, m.view().row(0), gradients.view().row(0), 0.1);
  };
  step(adam, values);
  step(adam, values);
  auto copy = Matrix<float>::copy_of(values.view());

  resumed.restore(adam.steps(), adam.mean(), adam.square());
  step(adam, values);
  step(resumed, copy);

  CHECK(test::same_bits(values, copy));
  CHECK(resumed.steps() == 3);
  CHECK_THROWS_WITH(resumed.restore(1, {values.data(), 3}, {values.data(), 2}),
                    Catch::Contains("Adam.restore: square"));
  CHECK_THROWS_WITH(resumed.restore(-1, {values.data(), 3}, {values.data(), 3}),
                    Catch::Contains("Adam.restore: steps"));
}

TEST_CASE("Adam refuses wrong sizes, rows and settings, and changes nothing", "[optim][adam]") {
  auto table = Matrix<float>::from_rows({{1, 2}, {3, 4}});
  auto const before = Matrix<float>::from_rows({{1, 2}, {3, 4}});
  std::vector<NodeId> const rows{0, 2};
  optim::Adam<float> adam({}, 4);
  auto const t = table.view();

  CHECK_THROWS_AS(adam.step(HostContext{}, {t.data, 2}, {t.data, 2}, 0.01), ShapeError);
  CHECK_THROWS_AS(adam.step(HostContext{}, {t.data, 4}, {t.data, 2}, 0.01), ShapeError);
  CHECK_THROWS_WITH(adam.step(HostContext{}, {t.data, 4}, {t.data, 4}, -1),
                    Catch::Contains("Adam.step: learning_rate: got -1"));
  CHECK_THROWS_WITH(adam.step_rows(HostContext{}, t, {rows.data(), 2}, t, 0.01),
                    Catch::Contains("Adam.step_rows: rows: got 2 at position 1"));
  CHECK_THROWS_AS(adam.step_rows(HostContext{}, t, {rows.data(), 1}, t, 0.01), ShapeError);
  CHECK_THROWS_AS(
      adam.step_rows(HostContext{}, t.row_slice(0, 1), {rows.data(), 1}, t.row_slice(0, 1), 0.01),
      ShapeError);
  CHECK_THROWS_WITH(optim::Adam<float>({.beta1 = 1}, 4), Catch::Contains("beta1"));
  CHECK_THROWS_WITH(optim::Adam<float>({.beta2 = -0.1}, 4), Catch::Contains("beta2"));
  CHECK_THROWS_WITH(optim::Adam<float>({.epsilon = std::nan("")}, 4), Catch::Contains("epsilon"));
  CHECK_THROWS_WITH(optim::Adam<float>({.weight_decay = HUGE_VAL}, 4),
                    Catch::Contains("weight_decay"));
  CHECK(test::same_bits(table, before));
}

TEST_CASE("the cosine schedule falls from its base to zero", "[optim][schedule]") {
  optim::CosineSchedule const rate{.base = 0.2, .steps = 10};

  CHECK(rate(0) == 0.2);
  CHECK(rate(5) == Approx(0.1));
  CHECK(rate(10) == Approx(0).margin(1e-16));
  CHECK(rate(11) == rate(10));
}

TEST_CASE("early stopping keeps the best parameters", "[optim][early_stopping]") {
  auto parameters = Buffer<float>::zeros(1);
  optim::EarlyStopping<float> stopping({.patience = 2});
  std::vector<bool> went_on;

  for (double const score : {0.5, 0.7, 0.70005, 0.6}) {
    parameters.view()[0] = static_cast<float>(score);
    went_on.push_back(stopping.update(score, parameters.view()));
  }
  stopping.restore(parameters.view());

  CHECK(went_on == std::vector<bool>{true, true, true, false});
  CHECK(stopping.best_epoch() == 1);  // 0.70005 is no improvement
  CHECK(parameters.view()[0] == 0.7F);
}
