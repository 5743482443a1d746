#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <tuple>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/ops/relation_aggregate/relation_aggregate.hpp>

#include <support/captured_graph.hpp>
#include <support/device.hpp>
#include <support/gradient_check.hpp>
#include <support/random_graph.hpp>

#include "relation_aggregate_device_case.hpp"

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

constexpr DeviceCsrOptions by_cusparse{.sum_backend = SumBackend::cusparse};

/// The case's numbers on the device, and room for results.
template <typename T>
struct Uploaded {
  Matrix<T, Space::device> messages, self, grad_out, out, grad_messages, grad_self;
  RelationAggregateDeviceCache cache;
  RelationAggregateParams params;

  Uploaded(Device& device, AggregateCase<float> const& c)
      : messages(device.upload<T>(converted<T>(c.messages).view())),
        self(device.upload<T>(converted<T>(c.self).view())),
        grad_out(device.upload<T>(converted<T>(c.grad_out).view())),
        out(self.rows(), self.cols()),
        grad_messages(messages.rows(), self.cols()),
        grad_self(self.rows(), self.cols()),
        params(c.params) {}

  void run(CudaContext const& ctx, DeviceCsr const& csr) {
    relation_aggregate<T>(ctx, csr, messages.view(), self.view(), params, out.view(), &cache);
    relation_aggregate_backward<T>(ctx, csr, out.view(), cache, grad_out.view(), params,
                                   grad_messages.view(), grad_self.view());
  }
};

}  // namespace

TEMPLATE_TEST_CASE("sums by cuSPARSE agree with the reference",
                   "[ops][relation_aggregate][cusparse][gpu]", float, bfloat16) {
  Device device;
  auto const reduce = GENERATE(Reduce::mean, Reduce::sum);
  auto const d = GENERATE(1, 3, 16, 32, 37, 64, 100, 128, 200, 256);
  RelationAggregateParams const params{reduce, d % 4 == 0 ? Activation::relu : Activation::identity,
                                       d % 3 != 0};
  CAPTURE(static_cast<int>(reduce), d);

  check_against_reference<TestType>(device, rounded<TestType>({{}, d, params}), by_cusparse);
}

TEMPLATE_TEST_CASE("sums by cuSPARSE take hubs of rows and of messages",
                   "[ops][relation_aggregate][cusparse][gpu]", float, bfloat16) {
  Device device;
  auto const reduce = GENERATE(Reduce::mean, Reduce::sum);
  auto const hub = GENERATE(255, 1025, 66'000);
  auto const d = GENERATE(16, 20);
  auto const c =
      rounded<TestType>({{.n_dst = 9, .sources = hub > 60'000 ? 20 : 1000, .hub_degree = hub},
                         d,
                         {.reduce = reduce}});
  CAPTURE(static_cast<int>(reduce), hub, d);

  check_against_reference<TestType>(device, c, by_cusparse);
}

TEST_CASE("sums by cuSPARSE handle many relations and more rows than a grid",
          "[ops][relation_aggregate][cusparse][gpu]") {
  Device device;
  auto const reduce = GENERATE(Reduce::mean, Reduce::sum);
  auto const shape = GENERATE(std::pair{40, 237}, std::pair{6000, 1}, std::pair{1, 33});
  auto const d = GENERATE(16, 128);
  CAPTURE(static_cast<int>(reduce), shape.first, shape.second, d);

  check_against_reference<float>(device,
                                 {{.n_dst = shape.first, .relations = shape.second},
                                  d,
                                  {.reduce = reduce, .l2_normalize = true}},
                                 by_cusparse);
}

TEST_CASE("sums by cuSPARSE take more rows and messages than a grid's second dimension holds",
          "[ops][relation_aggregate][cusparse][gpu]") {
  Device device;
  std::int64_t const n = 65'536 * 16 + 1;
  AggregateCase<float> const c({.n_dst = n, .relations = 1, .sources = n, .largest_degree = 2}, 2,
                               {.reduce = Reduce::sum, .activation = Activation::identity});

  auto const got = run_on_device<float>(device, c, by_cusparse);

  auto const expected = c.run({});
  CHECK(largest_difference(got.out, expected.out) <= tolerance<float>(10));
  CHECK(largest_difference(got.grad_messages, expected.grad_messages) <= tolerance<float>(20));
}

TEST_CASE("sums by cuSPARSE: a term of its own, none, or out itself",
          "[ops][relation_aggregate][cusparse][gpu]") {
  Device device;
  auto const ctx = device.context();
  auto const activation = GENERATE(Activation::identity, Activation::relu);
  auto const l2_normalize = GENERATE(false, true);
  auto const d = GENERATE(32, 37);
  AggregateCase<float> c(
      {}, d, {.reduce = Reduce::sum, .activation = activation, .l2_normalize = l2_normalize});
  DeviceCsr const csr(ctx, c.csr.view(), by_cusparse);
  Uploaded<float> x(device, c);
  auto const with_self = c.run_reference();
  auto const near = [&](Matrix<float> const& expected) {
    return largest_difference(device.download<float>(x.out.view()), expected) <=
           tolerance<float>(100);
  };

  SECTION("its own") {
    relation_aggregate<float>(ctx, csr, x.messages.view(), x.self.view(), c.params, x.out.view());

    CHECK(near(with_self.out));
  }
  SECTION("none, whatever out holds") {
    Matrix<float> garbage(c.self.rows(), d);
    std::fill_n(garbage.data(), garbage.rows() * d, std::numeric_limits<float>::quiet_NaN());
    copy(ctx, garbage.view(), x.out.view());
    c.self = Matrix<float>::zeros(c.self.rows(), d);

    relation_aggregate<float>(ctx, csr, x.messages.view(), {}, c.params, x.out.view());

    CHECK(near(c.run_reference().out));
  }
  SECTION("out itself") {
    copy(ctx, x.self.view(), x.out.view());

    relation_aggregate<float>(ctx, csr, x.messages.view(), x.out.view(), c.params, x.out.view());

    CHECK(near(with_self.out));
  }
}

TEST_CASE("sums by cuSPARSE take strided and unaligned rows, forward and backward",
          "[ops][relation_aggregate][cusparse][gpu]") {
  Device device;
  auto const ctx = device.context();
  AggregateCase<float> const c({}, 32, {.reduce = Reduce::mean, .l2_normalize = true});
  auto const expected = c.run_reference();
  auto const gap = GENERATE(0, 1, 3, 4);
  auto const upload = [&](Matrix<float> const& m) {
    StridedMatrix<float> strided(m.view(), gap);
    auto const view = strided.view();
    return device.upload<float>(MatrixView<float>(view.data, view.rows, view.stride));
  };
  auto const messages = upload(c.messages);
  auto const self = upload(c.self);
  auto const grad_out = upload(c.grad_out);
  Matrix<float, Space::device> out(c.self.rows(), 32 + gap), grad_self(c.self.rows(), 32 + gap),
      grad_messages(c.messages.rows(), 32 + gap);
  auto const from_gap = [&](auto& m) { return m.view().col_slice(gap, 32); };
  DeviceCsr const csr(ctx, c.csr.view(), by_cusparse);
  RelationAggregateDeviceCache cache;
  cache.reserve(ctx, csr, 32, c.params);

  relation_aggregate<float>(ctx, csr, messages.view().col_slice(0, 32),
                            self.view().col_slice(0, 32), c.params, from_gap(out), &cache);
  relation_aggregate_backward<float>(ctx, csr, from_gap(out), cache,
                                     grad_out.view().col_slice(0, 32), c.params,
                                     from_gap(grad_messages), from_gap(grad_self));

  auto const near = [&](auto const& got, Matrix<float> const& right) {
    auto const all = device.download<float>(got.view());
    return largest_difference<float>(all.view().col_slice(gap, 32), right.view()) <=
           tolerance<float>(100);
  };
  CHECK(near(out, expected.out));
  CHECK(near(grad_self, expected.grad_self));
  CHECK(near(grad_messages, expected.grad_messages));
}

TEST_CASE("sums by cuSPARSE take rows of a larger csr",
          "[ops][relation_aggregate][cusparse][gpu]") {
  Device device;
  auto const reduce = GENERATE(Reduce::mean, Reduce::sum);
  AggregateCase<float> const whole({}, 32, {.reduce = reduce});
  std::int64_t const first = 10;
  std::int64_t const rows = 20;
  auto const all = whole.csr.view();
  auto part = all;
  part.row_offsets = all.row_offsets.slice(first * all.relations, rows * all.relations + 1);
  part.n_dst = rows;
  REQUIRE(part.row_offsets[0] % 4 != 0);
  DeviceCsr const csr(device.context(), part, by_cusparse);
  DeviceCsr const fused(device.context(), part);
  Matrix<float, Space::device> const messages = device.upload<float>(whole.messages.view());
  Matrix<float, Space::device> const grad =
      device.upload<float>(whole.grad_out.view().row_slice(first, rows));
  auto const run = [&](DeviceCsr const& graph) {
    Matrix<float, Space::device> out(rows, 32), grad_messages(messages.rows(), 32),
        grad_self(rows, 32);
    RelationAggregateDeviceCache cache;
    relation_aggregate<float>(device.context(), graph, messages.view(), {}, whole.params,
                              out.view(), &cache);
    relation_aggregate_backward<float>(device.context(), graph, out.view(), cache, grad.view(),
                                       whole.params, grad_messages.view(), grad_self.view());
    return std::pair{device.download<float>(out.view()),
                     device.download<float>(grad_messages.view())};
  };

  auto const got = run(csr);

  auto const expected = run(fused);
  CHECK(largest_difference(got.first, expected.first) <= tolerance<float>(100));
  CHECK(largest_difference(got.second, expected.second) <= tolerance<float>(100));
}

TEST_CASE("sums by cuSPARSE keep NaN and infinity", "[ops][relation_aggregate][cusparse][gpu]") {
  Device device;
  auto const reduce = GENERATE(Reduce::mean, Reduce::sum);
  AggregateCase<float> c({.n_dst = 6, .relations = 2, .sources = 8}, 16, {.reduce = reduce});
  c.messages.view()(0, 1) = std::numeric_limits<float>::quiet_NaN();
  c.messages.view()(1, 2) = std::numeric_limits<float>::infinity();

  auto const got = run_on_device<float>(device, c, by_cusparse);

  auto const expected = c.run_reference();
  for (std::int64_t i = 0; i < c.self.rows(); ++i) {
    for (std::int64_t f = 0; f < 16; ++f) {
      float const y = got.out.view()(i, f);
      float const e = expected.out.view()(i, f);
      CHECK(std::isnan(y) == std::isnan(e));
      CHECK((std::isnan(y) || y == e || std::abs(y - e) < 1e-5F));
    }
  }
}

TEST_CASE("sums by cuSPARSE: graphs without edges, rows or messages",
          "[ops][relation_aggregate][cusparse][gpu]") {
  Device device;
  auto const [n_dst, relations, message_rows] =
      GENERATE(table<int, int, int>({{0, 3, 0}, {5, 0, 0}, {5, 2, 0}, {5, 2, 7}, {0, 2, 7}}));
  OwnedCsr csr{.n_dst = n_dst, .relations = relations, .message_rows = message_rows};
  for (int row = 0; row < n_dst * relations; ++row) {
    csr.add_row({});
  }
  AggregateCase<float> c({}, 16, {.reduce = Reduce::sum, .activation = Activation::identity});
  c.csr = csr;
  c.self = random_matrix<float>(n_dst, 16, 1);
  c.grad_out = random_matrix<float>(n_dst, 16, 2);
  c.messages = random_matrix<float>(message_rows, 16, 3);
  CAPTURE(n_dst, relations, message_rows);

  auto const got = run_on_device<float>(device, c, by_cusparse);

  CHECK(same_bits(got.out, c.self));
  CHECK(same_bits(got.grad_messages, Matrix<float>::zeros(message_rows, 16)));
}

TEMPLATE_TEST_CASE("sums by cuSPARSE give the same bits again, in a captured graph as well",
                   "[ops][relation_aggregate][cusparse][gpu]", float, bfloat16) {
  Device device;
  auto const ctx = device.context();
  auto const reduce = GENERATE(Reduce::mean, Reduce::sum);
  AggregateCase<float> const c({.n_dst = 30, .hub_degree = 3000}, 64,
                               {.reduce = reduce, .l2_normalize = true});
  DeviceCsr const csr(ctx, c.csr.view(), by_cusparse);
  Uploaded<TestType> x(device, c), again(device, c);
  x.cache.reserve(ctx, csr, 64, c.params);
  again.cache.reserve(ctx, csr, 64, c.params);

  x.run(ctx, csr);  // makes the plans
  CapturedGraph const graph(ctx, [&] { again.run(ctx, csr); });
  graph.launch(ctx);

  CHECK(same_bits(device.download<TestType>(x.out.view()),
                  device.download<TestType>(again.out.view())));
  CHECK(same_bits(device.download<TestType>(x.grad_messages.view()),
                  device.download<TestType>(again.grad_messages.view())));
}

TEST_CASE("another graph in a DeviceCsr is another product, and a fused one none",
          "[ops][relation_aggregate][cusparse][gpu]") {
  Device device;
  auto const ctx = device.context();
  auto const reduce = GENERATE(Reduce::mean, Reduce::sum);
  DeviceCsr csr;

  for (std::uint64_t seed = 1; seed < 5; ++seed) {
    auto const n = static_cast<std::int64_t>(seed);
    AggregateCase<float> const c({.n_dst = 40 * n, .sources = 90 / n, .seed = seed}, 32,
                                 {.reduce = reduce, .activation = Activation::identity});
    csr.upload(ctx, c.csr.view(), seed == 3 ? DeviceCsrOptions{} : by_cusparse);
    Uploaded<float> x(device, c);
    x.run(ctx, csr);

    auto const expected = c.run_reference();
    CHECK(largest_difference(device.download<float>(x.out.view()), expected.out) <=
          tolerance<float>(100));
    CHECK(largest_difference(device.download<float>(x.grad_messages.view()),
                             expected.grad_messages) <= 10 * tolerance<float>(100));
    CHECK((csr.sums() != nullptr) == (seed != 3));
  }
}

TEST_CASE("a maximum is the kernels' own, whoever sums",
          "[ops][relation_aggregate][cusparse][gpu]") {
  Device device;
  AggregateCase<float> const c({.n_dst = 30, .hub_degree = 3000}, 64, {.l2_normalize = true});

  CHECK(same(run_on_device<float>(device, c, by_cusparse), run_on_device<float>(device, c)));
}

TEST_CASE("sums by cuSPARSE refuse what does not fit", "[ops][relation_aggregate][cusparse][gpu]") {
  Device device;
  auto const ctx = device.context();
  AggregateCase<float> const c({.n_dst = 2, .relations = 1, .sources = 2}, 16,
                               {.reduce = Reduce::sum, .activation = Activation::identity});
  DeviceCsr const csr(ctx, c.csr.view(), by_cusparse);
  DeviceCsr const forward_only(ctx, c.csr.view(),
                               {.transpose = false, .sum_backend = SumBackend::cusparse});
  std::int64_t const d = 65'535 * 16 + 1;
  Matrix<float, Space::device> const wide(2, d);
  Matrix<float, Space::device> wide_out(2, d);
  Uploaded<float> x(device, c);
  RelationAggregateDeviceCache const& cache = x.cache;
  x.run(ctx, csr);

  CHECK_THROWS_WITH(relation_aggregate<float>(ctx, csr, wide.view(), {}, c.params, wide_out.view()),
                    Catch::Contains("out: got 1048561 columns, expected at most 1048560") &&
                        Catch::Contains("SumBackend::fused"));
  CHECK_THROWS_AS(relation_aggregate_backward<float>(ctx, csr, wide.view(), cache, wide.view(),
                                                     c.params, wide_out.view(), {}),
                  ShapeError);
  CHECK_THROWS_WITH(
      relation_aggregate_backward<float>(ctx, forward_only, x.out.view(), cache, x.grad_out.view(),
                                         c.params, x.grad_messages.view(), x.grad_self.view()),
      Catch::Contains("without transpose"));
}
