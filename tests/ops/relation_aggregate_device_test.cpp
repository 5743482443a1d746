#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <string>

#include <relweave/core/error.hpp>
#include <relweave/ops/relation_aggregate/relation_aggregate.hpp>

#include <support/device.hpp>
#include <support/gradient_check.hpp>
#include <support/random_graph.hpp>

#include "relation_aggregate_device_case.hpp"

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

TEMPLATE_TEST_CASE("relation_aggregate on a device agrees with the reference",
                   "[ops][relation_aggregate][gpu]", float, bfloat16) {
  Device device;
  auto const reduce = GENERATE(Reduce::max, Reduce::mean, Reduce::sum);
  auto const d = GENERATE(1, 3, 16, 32, 37, 64, 100, 128, 200, 256);
  RelationAggregateParams const params{reduce, d % 4 == 0 ? Activation::relu : Activation::identity,
                                       d % 3 != 0};
  CAPTURE(static_cast<int>(reduce), d);

  check_against_reference<TestType>(device, rounded<TestType>({{}, d, params}));
}

TEMPLATE_TEST_CASE("win masks give the bits of compared slots, hubs and wide slots included",
                   "[ops][relation_aggregate][gpu]", float, bfloat16) {
  Device device(std::int64_t{32} << 20);
  // Rows beyond 65,534 edges have slots of four bytes; two widths of them are enough.
  auto const [d, hub] = GENERATE(table<int, int>({{1, 20},
                                                  {16, 20},
                                                  {32, 20},
                                                  {37, 20},
                                                  {64, 20},
                                                  {100, 20},
                                                  {128, 20},
                                                  {256, 20},
                                                  {1, 3000},
                                                  {16, 3000},
                                                  {32, 3000},
                                                  {37, 3000},
                                                  {64, 3000},
                                                  {100, 3000},
                                                  {128, 3000},
                                                  {256, 3000},
                                                  {37, 70'000},
                                                  {64, 70'000}}));
  auto const c = rounded<TestType>(
      {{.n_dst = 20, .sources = 500, .hub_degree = hub}, d, {.l2_normalize = true}});
  CAPTURE(d, hub);

  auto const compared = run_on_device<TestType>(device, c);
  auto const masked = run_on_device<TestType>(device, c, {.max_backward = MaxBackward::win_mask});

  CHECK(same(compared, masked));
}

TEST_CASE("relation_aggregate on a device gives the CPU's bits for max",
          "[ops][relation_aggregate][gpu]") {
  Device device;
  auto const d = GENERATE(37, 64, 128);
  AggregateCase<float> const c({}, d, {.reduce = Reduce::max});

  auto const got = run_on_device<float>(device, c);

  auto const expected = c.run({});
  CHECK(same_bits(got.out, expected.out));
  CHECK(same_bits(got.grad_messages, expected.grad_messages));
  CHECK(same_bits(got.grad_self, expected.grad_self));
}

TEMPLATE_TEST_CASE("relation_aggregate on a device splits hubs of rows and of messages",
                   "[ops][relation_aggregate][gpu]", float, bfloat16) {
  Device device;
  auto const reduce = GENERATE(Reduce::max, Reduce::mean, Reduce::sum);
  auto const hub = GENERATE(254, 255, 1025, 66'000);
  auto const d = GENERATE(16, 20);
  // Few sources: message rows have thousands of edges, too.
  auto const c =
      rounded<TestType>({{.n_dst = 9, .sources = hub > 60'000 ? 20 : 1000, .hub_degree = hub},
                         d,
                         {.reduce = reduce}});
  CAPTURE(static_cast<int>(reduce), hub, d);

  check_against_reference<TestType>(device, c);
}

TEST_CASE("relation_aggregate on a device handles many relations and more rows than a grid",
          "[ops][relation_aggregate][gpu]") {
  Device device;
  auto const shape = GENERATE(std::pair{40, 237}, std::pair{3000, 1}, std::pair{1, 33});
  auto const d = GENERATE(16, 128);
  CAPTURE(shape.first, shape.second, d);

  check_against_reference<float>(
      device, {{.n_dst = shape.first, .relations = shape.second}, d, {.l2_normalize = true}});
}

TEST_CASE("relation_aggregate on a device takes strided and unaligned rows",
          "[ops][relation_aggregate][gpu]") {
  Device device;
  auto const ctx = device.context();
  AggregateCase<float> const c({}, 32, {.l2_normalize = true});
  auto const expected = c.run({});
  auto const gap = GENERATE(0, 1, 3, 4);
  StridedMatrix<float> messages(c.messages.view(), gap), self(c.self.view(), gap);
  auto const upload = [&](StridedMatrix<float>& m) {
    auto const view = m.view();
    return device.upload<float>(MatrixView<float>(view.data, view.rows, view.stride));
  };
  auto const wide_messages = upload(messages);
  auto const wide_self = upload(self);
  Matrix<float, Space::device> wide_out(c.self.rows(), 32 + gap);
  DeviceCsr const csr(ctx, c.csr.view());

  relation_aggregate<float>(ctx, csr, wide_messages.view().col_slice(0, 32),
                            wide_self.view().col_slice(0, 32), c.params,
                            wide_out.view().col_slice(gap, 32));

  auto const out = device.download<float>(wide_out.view());
  CHECK(largest_difference<float>(out.view().col_slice(gap, 32), expected.out.view()) <=
        tolerance<float>(40));
}

TEST_CASE("relation_aggregate on a device keeps NaN, extreme rows and zero rows",
          "[ops][relation_aggregate][gpu]") {
  Device device;
  auto const d = GENERATE(16, 70);
  auto const scale = GENERATE(1e30F, 1e-30F);
  AggregateCase<float> c({.n_dst = 6, .relations = 2, .sources = 8}, d, {.l2_normalize = true});
  for (Matrix<float>* m : {&c.messages, &c.self}) {
    for (std::int64_t i = 0; i < m->rows() * d; ++i) {
      m->data()[i] *= scale;
    }
  }
  c.messages.view()(0, 1) = std::numeric_limits<float>::quiet_NaN();

  auto const got = run_on_device<float>(device, c);

  auto const expected = c.run_reference();
  for (std::int64_t i = 0; i < c.self.rows(); ++i) {
    for (std::int64_t f = 0; f < d; ++f) {
      float const y = got.out.view()(i, f);
      float const e = expected.out.view()(i, f);
      CHECK(std::isnan(y) == std::isnan(e));
      CHECK((std::isnan(y) || std::abs(y - e) < 1e-5F));
    }
  }
}

TEST_CASE("relation_aggregate on a device: empty graphs and nothing to add",
          "[ops][relation_aggregate][gpu]") {
  Device device;
  auto const shape = GENERATE(std::pair{0, 3}, std::pair{5, 0}, std::pair{5, 2});
  OwnedCsr csr{.n_dst = shape.first, .relations = shape.second, .message_rows = 0};
  for (int row = 0; row < shape.first * shape.second; ++row) {
    csr.add_row({});
  }
  DeviceCsr const on_device(device.context(), csr.view());
  auto const self = random_matrix<float>(shape.first, 16, 1);
  auto const x = device.upload<float>(self.view());
  Matrix<float, Space::device> out(shape.first, 16);

  relation_aggregate<float>(device.context(), on_device, {}, x.view(),
                            {.activation = Activation::identity}, out.view());

  CHECK(same_bits(device.download<float>(out.view()), self));
}

TEST_CASE("relation_aggregate on a device takes rows of a larger csr",
          "[ops][relation_aggregate][gpu]") {
  Device device;
  auto const ctx = device.context();
  auto const reduce = GENERATE(Reduce::max, Reduce::mean);
  auto const max_backward = GENERATE(MaxBackward::compare_slots, MaxBackward::win_mask);
  AggregateCase<float> const c({}, 32, {.reduce = reduce, .activation = Activation::identity});
  std::int64_t const first = 10;
  std::int64_t const rows = 20;
  auto part = c.csr.view();
  part.row_offsets = part.row_offsets.slice(first * part.relations, rows * part.relations + 1);
  part.n_dst = rows;
  REQUIRE(part.row_offsets[0] > 0);
  auto const host_grad = c.grad_out.view().row_slice(first, rows);
  Matrix<float> expected_out(rows, 32), expected(c.messages.rows(), 32);
  RelationAggregateCache<float> host_cache;
  relation_aggregate<float>({}, part, c.messages.view(), {}, c.params, expected_out.view(),
                            &host_cache);
  relation_aggregate_backward<float>({}, part, expected_out.view(), host_cache, host_grad, c.params,
                                     expected.view(), {});
  DeviceCsr const csr(ctx, part, {.max_backward = max_backward});
  auto const messages = device.upload<float>(c.messages.view());
  auto const grad = device.upload<float>(host_grad);
  Matrix<float, Space::device> out(rows, 32), grad_messages(messages.rows(), 32);
  RelationAggregateDeviceCache cache;
  cache.reserve(ctx, csr, 32, c.params);

  relation_aggregate<float>(ctx, csr, messages.view(), {}, c.params, out.view(), &cache);
  relation_aggregate_backward<float>(ctx, csr, out.view(), cache, grad.view(), c.params,
                                     grad_messages.view(), {});

  CHECK(largest_difference(device.download<float>(out.view()), expected_out) <=
        tolerance<float>(100));
  CHECK(largest_difference(device.download<float>(grad_messages.view()), expected) <=
        tolerance<float>(100));
}

TEMPLATE_TEST_CASE("relation_aggregate on a device gives the same bits again",
                   "[ops][relation_aggregate][gpu]", float, bfloat16) {
  Device device;
  auto const reduce = GENERATE(Reduce::max, Reduce::mean);
  AggregateCase<float> const c({.n_dst = 30, .hub_degree = 3000}, 64,
                               {.reduce = reduce, .l2_normalize = true});

  auto const first = run_on_device<TestType>(device, c);
  auto const second = run_on_device<TestType>(device, c);

  CHECK(same(first, second));
}

TEST_CASE("relation_aggregate on a device refuses what does not fit",
          "[ops][relation_aggregate][gpu]") {
  Device device;
  auto const ctx = device.context();
  AggregateCase<float> const c({.n_dst = 4, .hub_degree = 3000}, 16, {});
  DeviceCsr const csr(ctx, c.csr.view());
  auto const messages = device.upload<float>(c.messages.view());
  Matrix<float, Space::device> out(4, 16), wrong(5, 16);
  RelationAggregateDeviceCache cache;
  auto const forward = [&](CudaContext const& with, DeviceCsr const& graph,
                           MatrixView<float, Space::device> to,
                           RelationAggregateDeviceCache* keep = nullptr) {
    relation_aggregate<float>(with, graph, messages.view(), {}, c.params, to, keep);
  };
  auto const backward = [&](RelationAggregateParams const& params, DeviceCsr const& graph) {
    Matrix<float, Space::device> grad_messages(messages.rows(), 16);
    relation_aggregate_backward<float>(ctx, graph, out.view(), cache, out.view(), params,
                                       grad_messages.view(), out.view());
  };
  auto no_stream = ctx;
  no_stream.stream = nullptr;
  auto no_device = ctx;
  no_device.device = 99;
  auto no_workspace = ctx;
  no_workspace.workspace = nullptr;

  CHECK_THROWS_AS(forward(no_stream, csr, out.view()), DeviceError);
  CHECK_THROWS_WITH(forward(no_device, csr, out.view()), Catch::Contains("device: got 99"));
  CHECK_THROWS_WITH(forward(no_workspace, csr, out.view()),
                    Catch::Contains("workspace: got 0 bytes, expected at least"));
  CHECK_THROWS_WITH(forward(ctx, csr, wrong.view()),
                    Catch::Contains("out: got shape (5, 16), expected shape (4, 16)"));
  CHECK_THROWS_WITH(forward(ctx, DeviceCsr(), out.view()), Catch::Contains("nothing uploaded"));
  CHECK_THROWS_WITH(forward(ctx, csr, out.view(), &cache), Catch::Contains("reserve"));
  CHECK_THROWS_WITH(backward(c.params, csr), Catch::Contains("no forward pass"));
  cache.reserve(ctx, csr, 16, c.params);
  forward(ctx, csr, out.view(), &cache);
  CHECK_THROWS_WITH(backward({.reduce = Reduce::sum}, csr), Catch::Contains("params"));
  DeviceCsr const forward_only(ctx, c.csr.view(), {.transpose = false});
  CHECK_THROWS_WITH(backward(c.params, forward_only), Catch::Contains("without transpose"));
  AggregateCase<float> const other({.n_dst = 4, .sources = 7}, 16, {});
  DeviceCsr const other_csr(ctx, other.csr.view());
  CHECK_THROWS_AS(backward(c.params, other_csr), Error);
  synchronize(ctx);
}
