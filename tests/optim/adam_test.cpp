#include <catch2/catch.hpp>

#include <cmath>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/optim/adam.hpp>
#include <relweave/optim/early_stopping.hpp>
#include <relweave/optim/schedule.hpp>

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
  CHECK_THROWS_AS(adam.step(HostContext{}, {values.data(), 2}, {values.data(), 2}, 0.01),
                  ShapeError);
}

TEST_CASE("the cosine schedule falls from its base to zero", "[optim][schedule]") {
  optim::CosineSchedule const rate{.base = 0.2, .steps = 10};

  CHECK(rate(0) == 0.2);
  CHECK(rate(5) == Approx(0.1));
  CHECK(rate(10) == Approx(0).margin(1e-16));
}

TEST_CASE("early stopping keeps the best parameters", "[optim][early_stopping]") {
  nn::ParameterSet<float> parameters;
  parameters.add_vector("x", 1);
  parameters.allocate();
  optim::EarlyStopping<float> stopping({.patience = 2});
  std::vector<bool> went_on;

  for (double const score : {0.5, 0.7, 0.70005, 0.6}) {
    parameters.values()[0] = static_cast<float>(score);
    went_on.push_back(stopping.update(score, parameters));
  }
  stopping.restore(parameters);

  CHECK(went_on == std::vector<bool>{true, true, true, false});
  CHECK(stopping.best_epoch() == 1);  // 0.70005 is no improvement
  CHECK(parameters.values()[0] == 0.7F);
}
