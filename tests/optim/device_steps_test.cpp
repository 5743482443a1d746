// What the steps of all optimisers on a device have in common.

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include <relweave/core/context.hpp>
#include <relweave/core/error.hpp>
#include <relweave/optim/adam.hpp>
#include <relweave/optim/sgd.hpp>

#include <support/captured_graph.hpp>
#include <support/device.hpp>
#include <support/gradient_check.hpp>
#include <support/random_graph.hpp>

using namespace relweave;
using namespace relweave::optim;
using namespace relweave::test;

namespace {

#if defined(__x86_64__)
constexpr double tolerance = 0;  // bits
#else
constexpr double tolerance = 1e-5;  // the host contracts products and sums
#endif

HostContext const baseline{.isa = Isa::baseline};

struct AdamOptimizers {
  using Host = Adam<float>;
  using OnDevice = DeviceAdam;
};
struct SgdOptimizers {
  using Host = Sgd<float>;
  using OnDevice = DeviceSgd;
};

struct PlainAdam : AdamOptimizers {
  static constexpr AdamConfig settings{};
};
struct DecayedAdam : AdamOptimizers {
  static constexpr AdamConfig settings{.beta1 = 0.8, .epsilon = 1e-3, .weight_decay = 0.1};
};
struct PlainSgd : SgdOptimizers {
  static constexpr SgdConfig settings{};
};
struct Momentum : SgdOptimizers {
  static constexpr SgdConfig settings{.momentum = 0.9, .weight_decay = 0.1};
};
struct Dampened : SgdOptimizers {
  static constexpr SgdConfig settings{.momentum = 0.9, .dampening = 0.3, .weight_decay = 0.1};
};
struct Nesterov : SgdOptimizers {
  static constexpr SgdConfig settings{.momentum = 0.9, .nesterov = true};
};

double rate_of(int step) {
  return 0.05 / (1 + step);
}

/// A matrix as one vector.
template <typename T, Space S>
VectorView<T, S> flat(MatrixView<T, S> m) {
  return {m.data, m.rows * m.cols};
}

template <typename T>
Matrix<float> gradient_of(int step, std::int64_t rows, std::int64_t d) {
  return stored_as<T>(random_matrix<float>(rows, d, 70 + static_cast<std::uint64_t>(step)));
}

template <typename Pair, typename T>
Matrix<float> steps_on_device(Device& device, Matrix<float> const& start, int steps) {
  auto const ctx = device.context();
  auto values = device.upload<float>(start.view());
  typename Pair::OnDevice optimizer(ctx, Pair::settings, start.rows() * start.cols(), 1);
  for (int t = 0; t < steps; ++t) {
    auto const gradient =
        device.upload<T>(converted<T>(gradient_of<T>(t, start.rows(), start.cols())).view());
    optimizer.set_learning_rate(ctx, rate_of(t));
    optimizer.step(ctx, flat(values.view()), flat(gradient.view()));
    synchronize(ctx);
  }
  return device.download<float>(values.view());
}

template <typename Pair, typename T>
Matrix<float> steps_on_host(Matrix<float> const& start, int steps) {
  auto values = Matrix<float>::copy_of(start.view());
  typename Pair::Host optimizer(Pair::settings, start.rows() * start.cols());
  for (int t = 0; t < steps; ++t) {
    auto const gradient = gradient_of<T>(t, start.rows(), start.cols());
    optimizer.step(baseline, flat(values.view()), flat(gradient.view()), rate_of(t));
  }
  return values;
}

}  // namespace

TEMPLATE_PRODUCT_TEST_CASE("a step on a device gives the host's numbers", "[optim][gpu]",
                           (std::pair),
                           ((PlainAdam, float), (DecayedAdam, float), (DecayedAdam, bfloat16),
                            (PlainSgd, float), (Momentum, float), (Dampened, float),
                            (Nesterov, bfloat16))) {
  using Pair = typename TestType::first_type;
  using T = typename TestType::second_type;
  Device device;
  auto const size = GENERATE(1, 255, 1003, 40'000);      // the last is more than a grid of two
  auto const start = random_matrix<float>(1, size, 60);  // multiprocessors has threads

  auto const got = steps_on_device<Pair, T>(device, start, 4);

  CHECK(largest_difference(got, steps_on_host<Pair, T>(start, 4)) <= tolerance);
}

TEMPLATE_TEST_CASE("a step on rows on a device moves these rows and their state as the host does",
                   "[optim][gpu]", DecayedAdam, PlainSgd, Dampened, Nesterov) {
  Device device;
  auto const ctx = device.context();
  auto const d = GENERATE(1, 31, 64, 100);
  std::int64_t const n = 5000;
  auto const gap = GENERATE(0, 3);
  std::vector<NodeId> rows;
  for (NodeId row = n - 1; row >= 0; row -= 3) {
    rows.push_back(row);
  }
  auto const count = std::ssize(rows);
  auto expected = random_matrix<float>(n, d, 61);
  Matrix<float, Space::device> wide(n, d + gap), wide_gradients(count, d + gap);
  auto const table = wide.view().col_slice(gap, d);
  auto const gradients = wide_gradients.view().col_slice(gap, d);
  auto const on_device = device.upload<NodeId>(view_of(rows));
  copy(ctx, expected.view(), table);
  typename TestType::Host host(TestType::settings, n * d);
  typename TestType::OnDevice optimizer(ctx, TestType::settings, n * d, 0.1);

  for (int t = 0; t < 3; ++t) {
    auto const g = gradient_of<float>(t, count, d);
    // Fewer rows each time, so that state of different ages meets.
    auto const some = count >> t;
    host.step_rows(baseline, expected.view(), view_of(rows).slice(0, some),
                   g.view().row_slice(0, some), 0.1);
    copy(ctx, g.view(), gradients);
    optimizer.step_rows(ctx, table, on_device.view().slice(0, some), gradients.row_slice(0, some));
    synchronize(ctx);
  }

  CHECK(largest_difference(device.download<float>(table), expected) <= tolerance);
}

TEMPLATE_TEST_CASE("rows on a device take gradients in bfloat16", "[optim][gpu]", PlainAdam,
                   PlainSgd) {
  Device device;
  auto const ctx = device.context();
  std::vector<NodeId> const rows{4, 0, 2};
  auto expected = random_matrix<float>(5, 33, 62);
  auto const table = device.upload<float>(expected.view());
  auto const on_device = device.upload<NodeId>(view_of(rows));
  auto const g = gradient_of<bfloat16>(0, 3, 33);
  auto const gradients = device.upload<bfloat16>(converted<bfloat16>(g).view());
  typename TestType::Host host(TestType::settings, 5 * 33);
  typename TestType::OnDevice optimizer(ctx, TestType::settings, 5 * 33, 0.1);
  MatrixView<float, Space::device> const to(const_cast<float*>(table.data()), 5, 33);

  host.step_rows(baseline, expected.view(), view_of(rows), g.view(), 0.1);
  optimizer.step_rows(ctx, to, on_device.view(), gradients.view());

  CHECK(largest_difference(device.download<float>(table.view()), expected) <= tolerance);
}

TEMPLATE_TEST_CASE("a captured step is the next step each time its graph is launched",
                   "[optim][gpu]", DecayedAdam, Nesterov) {
  Device device;
  auto const ctx = device.context();
  auto expected = random_matrix<float>(1, 300, 63);
  auto values = device.upload<float>(expected.view());
  Matrix<float, Space::device> gradients(1, 300);
  typename TestType::Host host(TestType::settings, 300);
  typename TestType::OnDevice optimizer(ctx, TestType::settings, 300, rate_of(0));
  CapturedGraph const graph(
      ctx, [&] { optimizer.step(ctx, flat(values.view()), flat(gradients.view())); });

  for (int t = 0; t < 5; ++t) {
    auto const g = gradient_of<float>(t, 1, 300);
    host.step(baseline, flat(expected.view()), flat(g.view()), rate_of(t));
    copy(ctx, g.view(), gradients.view());
    if (t > 0) {
      optimizer.set_learning_rate(ctx, rate_of(t));
    }
    graph.launch(ctx);
    synchronize(ctx);
  }

  CHECK(largest_difference(device.download<float>(values.view()), expected) <= tolerance);
}

TEMPLATE_TEST_CASE("a gradient on a device that is not finite makes its parameter so",
                   "[optim][gpu]", PlainAdam, PlainSgd) {
  Device device;
  auto const ctx = device.context();
  std::vector<float> const start{1, 2, 3};
  std::vector<float> const g{std::nanf(""), std::numeric_limits<float>::infinity(), 0};
  auto values = device.upload<float>(view_of(start));
  auto const gradients = device.upload<float>(view_of(g));
  typename TestType::OnDevice optimizer(ctx, TestType::settings, 3, 0.1);

  optimizer.step(ctx, values.view(), gradients.view());

  auto const got = device.download(values);
  CHECK(std::isnan(got.data()[0]));
  CHECK(!std::isfinite(got.data()[1]));
  CHECK(got.data()[2] == 3);
}

TEMPLATE_TEST_CASE("a step on a device on nothing counts and moves nothing", "[optim][gpu]",
                   PlainAdam, Momentum) {
  Device device;
  auto const ctx = device.context();
  auto expected = random_matrix<float>(4, 5, 64);
  auto values = device.upload<float>(expected.view());
  auto const g = gradient_of<float>(0, 4, 5);
  auto const gradients = device.upload<float>(g.view());
  typename TestType::OnDevice none(ctx, TestType::settings, 0, 0.1);
  typename TestType::OnDevice optimizer(ctx, TestType::settings, 20, 0.1);
  typename TestType::Host host(TestType::settings, 20);

  none.step(ctx, {}, VectorView<float const, Space::device>{});
  optimizer.step_rows(ctx, values.view(), {},
                      MatrixView<float const, Space::device>{nullptr, 0, 5});
  optimizer.step(ctx, flat(values.view()), flat(gradients.view()));

  host.step_rows(baseline, expected.view(), {}, MatrixView<float const>{nullptr, 0, 5}, 0.1);
  host.step(baseline, flat(expected.view()), flat(g.view()), 0.1);
  CHECK(largest_difference(device.download<float>(values.view()), expected) <= tolerance);
}

TEMPLATE_TEST_CASE("optimisers on a device refuse what does not fit", "[optim][gpu]", PlainAdam,
                   PlainSgd) {
  using Optimizer = typename TestType::OnDevice;
  Device device;
  auto const ctx = device.context();
  std::string const name = std::is_same_v<Optimizer, DeviceAdam> ? "DeviceAdam" : "DeviceSgd";
  Optimizer optimizer(ctx, TestType::settings, 20, 0.1);
  Matrix<float, Space::device> table(4, 5), other(4, 6);
  Buffer<NodeId, Space::device> rows(3);
  auto const fewer = table.view().row_slice(0, 2);
  auto no_stream = ctx;
  no_stream.stream = nullptr;

  CHECK_THROWS_WITH(optimizer.step(ctx, flat(other.view()), flat(table.view())),
                    name + ".step: values: got 24 elements, expected 20 elements");
  CHECK_THROWS_WITH(optimizer.step(ctx, flat(table.view()), flat(other.view())),
                    name + ".step: gradients: got 24 elements, expected 20 elements");
  CHECK_THROWS_WITH(optimizer.step_rows(ctx, other.view(), rows.view(), table.view()),
                    name + ".step_rows: table: got shape (4, 6), expected 20 elements");
  CHECK_THROWS_WITH(optimizer.step_rows(ctx, table.view(), rows.view(), fewer),
                    name + ".step_rows: gradients: got shape (2, 5), expected shape (3, 5)");
  CHECK_THROWS_WITH(optimizer.set_learning_rate(ctx, -1),
                    Catch::Contains(name + ".set_learning_rate: learning_rate: got -1"));
  CHECK_THROWS_WITH(Optimizer(ctx, TestType::settings, 20, std::nan("")),
                    Catch::Contains(name + ": learning_rate: got nan"));
  CHECK_THROWS_AS(optimizer.step(no_stream, flat(table.view()), flat(table.view())), DeviceError);
  CHECK_THROWS_AS(optimizer.set_learning_rate(no_stream, 0.1), DeviceError);
  CHECK_THROWS_AS(Optimizer(no_stream, TestType::settings, 20, 0.1), DeviceError);
}

TEST_CASE("optimisers on a device refuse settings as the host's do", "[optim][gpu]") {
  Device device;
  auto const ctx = device.context();

  CHECK_THROWS_WITH(DeviceAdam(ctx, {.beta1 = 1}, 4, 0.1), Catch::Contains("DeviceAdam: beta1"));
  CHECK_THROWS_WITH(DeviceAdam(ctx, {.beta2 = -0.1}, 4, 0.1), Catch::Contains("beta2"));
  CHECK_THROWS_WITH(DeviceAdam(ctx, {.epsilon = -1}, 4, 0.1), Catch::Contains("epsilon"));
  CHECK_THROWS_WITH(DeviceAdam(ctx, {.weight_decay = HUGE_VAL}, 4, 0.1),
                    Catch::Contains("weight_decay"));
  CHECK_THROWS_WITH(DeviceSgd(ctx, {.momentum = -1}, 4, 0.1), Catch::Contains("momentum"));
  CHECK_THROWS_WITH(DeviceSgd(ctx, {.weight_decay = -1}, 4, 0.1), Catch::Contains("weight_decay"));
  CHECK_THROWS_WITH(DeviceSgd(ctx, {.nesterov = true}, 4, 0.1),
                    "DeviceSgd: nesterov: got true without momentum, expected a momentum above 0");
}

TEMPLATE_TEST_CASE("a step on a device gives the same bits again", "[optim][gpu]", DecayedAdam,
                   Nesterov) {
  Device device;
  auto const start = random_matrix<float>(1, 5000, 65);

  auto const first = steps_on_device<TestType, float>(device, start, 3);
  auto const second = steps_on_device<TestType, float>(device, start, 3);

  CHECK(same_bits(first, second));
}
