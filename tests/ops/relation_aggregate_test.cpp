#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/ops/relation_aggregate/reference.hpp>
#include <relweave/ops/relation_aggregate/relation_aggregate.hpp>

#include <support/gradient_check.hpp>
#include <support/instruction_sets.hpp>
#include <support/random_graph.hpp>

#include "relation_aggregate_case.hpp"

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

constexpr RelationAggregateParams plain_max{.activation = Activation::identity};

/// Two destinations, two relations, messages of one relation in rows 0-2, of the other in 3-4.
OwnedCsr small_csr() {
  OwnedCsr csr{.n_dst = 2, .relations = 2, .message_rows = 5};
  csr.add_row({0, 1});
  csr.add_row({3});
  csr.add_row({});
  csr.add_row({4, 3, 4});
  return csr;
}

auto small_messages() {
  return Matrix<double>::from_rows({{1, -2}, {1, 5}, {9, 9}, {-3, 0}, {0.5, -1}});
}

}  // namespace

// ---- by hand, on the reference

TEST_CASE("reference relation_aggregate: max, ties, empty rows and arg",
          "[ops][relation_aggregate]") {
  auto const csr = small_csr();
  auto const messages = small_messages();
  auto const self = Matrix<double>::from_rows({{1, 1}, {-4, 2}});
  Matrix<double> out(2, 2);
  RelationAggregateCache<double> cache;

  reference::relation_aggregate<double>(csr.view(), messages.view(), self.view(), {}, out.view(),
                                        &cache);

  CHECK(same_bits(out, Matrix<double>::from_rows({{0, 6}, {0, 2}})));  // 1+1-3 < 0; -4+0.5 < 0
  CHECK(cache.arg_width == 1);
  CHECK(args_of(cache) ==
        std::vector<int>{0, 1, 0, 0, 255, 255, 0, 1});  // the first of equal maxima
}

TEST_CASE("reference relation_aggregate: mean, sum and norm", "[ops][relation_aggregate]") {
  auto const csr = small_csr();
  auto const messages = small_messages();
  Matrix<double> out(2, 2);
  RelationAggregateCache<double> cache;

  reference::relation_aggregate<double>(csr.view(), messages.view(), {},
                                        {Reduce::mean, Activation::identity}, out.view());
  CHECK(largest_difference(out, Matrix<double>::from_rows({{-2, 1.5}, {-2.0 / 3, -2.0 / 3}})) <
        1e-15);

  reference::relation_aggregate<double>(csr.view(), messages.view(), {},
                                        {Reduce::sum, Activation::identity}, out.view());
  CHECK(same_bits(out, Matrix<double>::from_rows({{-1, 3}, {-2, -2}})));

  reference::relation_aggregate<double>(csr.view(), messages.view(), {},
                                        {Reduce::sum, Activation::relu, true}, out.view(), &cache);
  CHECK(same_bits(out, Matrix<double>::from_rows({{0, 1}, {0, 0}})));  // a zero row stays zero
  CHECK(cache.norm.data()[0] == 3);
  CHECK(cache.norm.data()[1] == 0);
}

TEST_CASE("reference relation_aggregate_backward: gradients go to the winners",
          "[ops][relation_aggregate]") {
  auto const csr = small_csr();
  auto const messages = small_messages();
  auto const grad_out = Matrix<double>::from_rows({{1, 2}, {4, 8}});
  Matrix<double> out(2, 2), grad_messages(5, 2), grad_self(2, 2);
  RelationAggregateCache<double> cache;
  reference::relation_aggregate<double>(csr.view(), messages.view(), {}, plain_max, out.view(),
                                        &cache);

  reference::relation_aggregate_backward<double>(csr.view(), out.view(), cache, grad_out.view(),
                                                 plain_max, grad_messages.view(), grad_self.view());

  CHECK(same_bits(grad_self, grad_out));
  CHECK(same_bits(grad_messages,
                  Matrix<double>::from_rows({{1, 0}, {0, 2}, {0, 0}, {1, 10}, {4, 0}})));
}

// ---- backend against reference

TEMPLATE_TEST_CASE("relation_aggregate agrees with its reference", "[ops][relation_aggregate]",
                   float, double) {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const reduce = GENERATE(Reduce::max, Reduce::mean, Reduce::sum);
  auto const d = GENERATE(1, 3, 16, 37, 64, 128, 200);
  RelationAggregateParams const params{reduce, d % 2 == 0 ? Activation::relu : Activation::identity,
                                       d % 3 != 0};
  AggregateCase<TestType> const c({}, d, params);

  auto const got = c.run({.threads = 2, .isa = isa});

  auto const expected = c.run_reference();
  CAPTURE(isa_name(isa), static_cast<int>(reduce), d);
  CHECK(largest_difference(got.out, expected.out) <= tolerance<TestType>(30));
  CHECK(largest_difference(got.grad_self, expected.grad_self) <= tolerance<TestType>(d + 30));
  CHECK(largest_difference(got.grad_messages, expected.grad_messages) <=
        tolerance<TestType>(d + 30));
  if (reduce == Reduce::max) {
    CHECK(same_arg(got.cache, expected.cache));
  }
}

TEMPLATE_TEST_CASE("relation_aggregate splits hubs and widens arg for them",
                   "[ops][relation_aggregate]", float, double) {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const reduce = GENERATE(Reduce::max, Reduce::mean);
  auto const hub = GENERATE(254, 255, 40'000, 70'000);
  AggregateCase<TestType> const c({.n_dst = 9, .sources = 5000, .hub_degree = hub}, 24,
                                  {.reduce = reduce});

  auto const got = c.run({.threads = 2, .isa = isa});

  auto const expected = c.run_reference();
  CAPTURE(isa_name(isa), hub);
  CHECK(largest_difference(got.out, expected.out) <= tolerance<TestType>(hub));
  CHECK(largest_difference(got.grad_messages, expected.grad_messages) <= tolerance<TestType>(40));
  if (reduce == Reduce::max) {
    CHECK(got.cache.arg_width == (hub <= 254 ? 1 : hub <= 65'534 ? 2 : 4));
    CHECK(same_arg(got.cache, expected.cache));
  }
}

TEST_CASE("relation_aggregate agrees with its reference beyond the caches",
          "[ops][relation_aggregate]") {
  auto const reduce = GENERATE(Reduce::max, Reduce::mean);
  auto const [sources, d] =
      GENERATE(table<std::int64_t, std::int64_t>({{70'000, 48},      // a pass per relation
                                                  {120'000, 20}}));  // sums too large to pack
  AggregateCase<float> const c(
      {.n_dst = 40, .relations = 2, .sources = sources, .largest_degree = 40}, d,
      {reduce, Activation::relu, true});

  auto const got = c.run({.threads = 2});

  auto const expected = c.run_reference();
  CHECK(largest_difference(got.out, expected.out) <= tolerance<float>(40));
  CHECK(largest_difference(got.grad_messages, expected.grad_messages) <= tolerance<float>(60));
  CHECK((reduce != Reduce::max || same_arg(got.cache, expected.cache)));
}

TEST_CASE("relation_aggregate writes past the caches what they cannot hold",
          "[ops][relation_aggregate]") {
  auto const isa = GENERATE(from_range(instruction_sets()));
  AggregateCase<float> const c(
      {.n_dst = 23'000, .relations = 2, .sources = 20'000, .largest_degree = 24}, 128,
      {Reduce::max, Activation::relu, GENERATE(false, true)});
  HostContext const ctx{.threads = 2, .isa = isa};
  StridedMatrix<float> apart(c.self.rows(), 128, 7);  // rows that do not start on cache lines
  RelationAggregateCache<float> cache;

  auto const got = c.run(ctx);
  relation_aggregate<float>(ctx, c.csr.view(), c.messages.view(), c.self.view(), c.params,
                            apart.view(), &cache);

  auto const expected = c.run_reference();
  CAPTURE(isa_name(isa));
  CHECK(largest_difference(got.out, expected.out) <= tolerance<float>(158));
  CHECK(same_bits(Matrix<float>::copy_of(apart.view()), got.out));
  CHECK(apart.intact());
  CHECK(same_arg(got.cache, expected.cache));
  CHECK(same_arg(cache, expected.cache));
}

TEST_CASE("relation_aggregate handles equal maxima across the chunks of a hub",
          "[ops][relation_aggregate]") {
  OwnedCsr csr{.n_dst = 1, .relations = 1, .message_rows = 2};
  std::vector<NodeId> row(50'000, 0);
  row[777] = row[33'333] = row[49'999] = 1;
  csr.add_row(row);
  auto const messages = Matrix<float>::from_rows({{0, 1}, {1, 1}});
  Matrix<float> out(1, 2);
  RelationAggregateCache<float> cache;

  relation_aggregate<float>({}, csr.view(), messages.view(), {}, plain_max, out.view(), &cache);

  CHECK(ops::detail::load_arg(cache.arg.data(), cache.arg_width, 0) == 777);
  CHECK(ops::detail::load_arg(cache.arg.data(), cache.arg_width, 1) == 0);
}

TEMPLATE_TEST_CASE("relation_aggregate reads and writes strided rows only where they are",
                   "[ops][relation_aggregate]", float, double) {
  auto const reduce = GENERATE(Reduce::max, Reduce::sum);
  AggregateCase<TestType> const c({.n_dst = 50}, 45, {reduce, Activation::relu, true});
  StridedMatrix<TestType> messages(c.messages.view(), 3), self(c.self.view(), 5),
      grad_out(c.grad_out.view(), 1);
  StridedMatrix<TestType> out(50, 45, 7), grad_messages(c.csr.message_rows, 45, 2),
      grad_self(50, 45, 4);
  RelationAggregateCache<TestType> cache;

  relation_aggregate<TestType>({}, c.csr.view(), messages.view(), self.view(), c.params, out.view(),
                               &cache);
  relation_aggregate_backward<TestType>({}, c.csr.view(), out.view(), cache, grad_out.view(),
                                        c.params, grad_messages.view(), grad_self.view());

  auto const expected = c.run({});
  CHECK(same_bits(Matrix<TestType>::copy_of(out.view()), expected.out));
  CHECK(same_bits(Matrix<TestType>::copy_of(grad_messages.view()), expected.grad_messages));
  CHECK(same_bits(Matrix<TestType>::copy_of(grad_self.view()), expected.grad_self));
  CHECK((out.intact() && grad_messages.intact() && grad_self.intact()));
}

TEST_CASE("relation_aggregate works in place and without self, cache or grad_self",
          "[ops][relation_aggregate]") {
  auto const reduce = GENERATE(Reduce::max, Reduce::mean);
  auto const activation = GENERATE(Activation::relu, Activation::identity);
  AggregateCase<float> c({.n_dst = 300, .shared_messages = true}, 40, {reduce, activation});
  auto const expected = c.run({});

  auto in_place = Matrix<float>::copy_of(c.self.view());
  relation_aggregate<float>({}, c.csr.view(), c.messages.view(), in_place.view(), c.params,
                            in_place.view());
  Matrix<float> grad_messages(c.csr.message_rows, 40);
  relation_aggregate_backward<float>({}, c.csr.view(), expected.out.view(), expected.cache,
                                     c.grad_out.view(), c.params, grad_messages.view(), {});
  auto grad_in_place = Matrix<float>::copy_of(c.grad_out.view());
  relation_aggregate_backward<float>({}, c.csr.view(), expected.out.view(), expected.cache,
                                     grad_in_place.view(), c.params, grad_messages.view(),
                                     grad_in_place.view());
  c.self = Matrix<float>::zeros(300, 40);
  Matrix<float> without_self(300, 40);
  relation_aggregate<float>({}, c.csr.view(), c.messages.view(), {}, c.params, without_self.view());

  CHECK(same_bits(in_place, expected.out));
  CHECK(same_bits(grad_messages, expected.grad_messages));
  CHECK(same_bits(grad_in_place, expected.grad_self));
  CHECK(largest_difference(without_self, c.run({}).out) == 0);
}

TEST_CASE("relation_aggregate handles empty graphs, types without relations and slices",
          "[ops][relation_aggregate]") {
  auto grad_messages = Matrix<float>::from_rows({{1, 1}, {1, 1}});
  RelationCsrView<> const no_rows{.n_dst = 0, .relations = 3, .message_rows = 2};
  MatrixView<float> const nothing{nullptr, 0, 2};
  RelationAggregateCache<float> cache;
  relation_aggregate<float>({}, no_rows, grad_messages.view(), {}, {}, nothing, &cache);
  relation_aggregate_backward<float>({}, no_rows, nothing, cache, nothing, {}, grad_messages.view(),
                                     {});
  CHECK(same_bits(grad_messages, Matrix<float>::zeros(2, 2)));

  auto const self = Matrix<float>::from_rows({{-1, 3}});
  Matrix<float> out(1, 2);
  RelationCsrView<> const no_relations{.n_dst = 1, .relations = 0, .message_rows = 0};
  relation_aggregate<float>({}, no_relations, {}, self.view(), {}, out.view());
  CHECK(same_bits(out, Matrix<float>::from_rows({{0, 3}})));

  AggregateCase<float> const c({.n_dst = 30}, 8, {});
  auto slice = c.csr.view();
  slice.n_dst = 10;
  slice.row_offsets = slice.row_offsets.slice(12 * slice.relations, 10 * slice.relations + 1);
  Matrix<float> part(10, 8);
  relation_aggregate<float>({}, slice, c.messages.view(), c.self.view().row_slice(12, 10), {},
                            part.view());
  CHECK(same_bits(part, Matrix<float>::copy_of(c.run({}).out.view().row_slice(12, 10))));
}

TEST_CASE("relation_aggregate lets NaN and infinities through", "[ops][relation_aggregate]") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  constexpr float infinity = std::numeric_limits<float>::infinity();
  auto const isa = GENERATE(from_range(instruction_sets()));
  OwnedCsr csr{.n_dst = 1, .relations = 1, .message_rows = 3};
  csr.add_row({0, 1, 2});
  auto const messages = Matrix<float>::from_rows(
      {{nan, 1, -infinity, -0.0F}, {1, nan, -infinity, 0}, {2, 3, -infinity, 0}});
  Matrix<float> out(1, 4);
  RelationAggregateCache<float> cache;

  relation_aggregate<float>({.isa = isa}, csr.view(), messages.view(), {}, plain_max, out.view(),
                            &cache);

  CHECK(std::isnan(out.view()(0, 0)));
  CHECK(std::isnan(out.view()(0, 1)));
  CHECK(out.view()(0, 2) == -infinity);
  std::vector<int> const args{
      static_cast<int>(cache.arg.data()[0]), static_cast<int>(cache.arg.data()[1]),
      static_cast<int>(cache.arg.data()[2]), static_cast<int>(cache.arg.data()[3])};
  CHECK(args == std::vector<int>{0, 1, 0, 0});
  relation_aggregate<float>({.isa = isa}, csr.view(), messages.view(), {}, {}, out.view());
  CHECK(std::isnan(out.view()(0, 1)));
}

TEMPLATE_TEST_CASE("relation_aggregate's norms neither overflow nor underflow",
                   "[ops][relation_aggregate]", float, double) {
  TestType const large = std::numeric_limits<TestType>::max() / 8;
  TestType const small = std::numeric_limits<TestType>::min() * 8;
  TestType const largest = std::numeric_limits<TestType>::max();
  TestType const least = std::numeric_limits<TestType>::denorm_min();
  auto const self = Matrix<TestType>::from_rows(
      {{3 * large, 4 * large}, {3 * small, 4 * small}, {largest, largest}, {least, least}});
  RelationCsrView<> const csr{.n_dst = 4, .relations = 0, .message_rows = 0};
  Matrix<TestType> out(4, 2);
  RelationAggregateCache<TestType> cache;

  relation_aggregate<TestType>({}, csr, {}, self.view(), {.l2_normalize = true}, out.view(),
                               &cache);

  auto const half = static_cast<TestType>(std::sqrt(0.5));
  auto const expected =
      Matrix<TestType>::from_rows({{0.6, 0.8}, {0.6, 0.8}, {half, half}, {half, half}});
  CHECK(largest_difference(out, expected) <= tolerance<TestType>(2));
  CHECK(cache.norm.data()[0] == Approx(5 * large));
  CHECK(cache.norm.data()[1] == Approx(5 * small));
  CHECK(std::isinf(cache.norm.data()[2]));  // T does not hold it
}

// ---- algebra

TEST_CASE("relation_aggregate is invariant under renaming messages and relations",
          "[ops][relation_aggregate]") {
  auto const reduce = GENERATE(Reduce::max, Reduce::sum);
  AggregateCase<double> const c({.n_dst = 20, .relations = 2}, 5, {reduce, Activation::identity});
  std::int64_t const n = c.csr.message_rows;
  OwnedCsr renamed{.n_dst = 20, .relations = 2, .message_rows = n};
  for (std::int64_t i = 0; i < 20; ++i) {
    for (std::int64_t const r : {1, 0}) {
      auto const row = static_cast<std::size_t>(2 * i + r);
      std::vector<NodeId> neighbors(c.csr.cols.begin() + c.csr.row_offsets[row],
                                    c.csr.cols.begin() + c.csr.row_offsets[row + 1]);
      for (NodeId& j : neighbors) {
        j = static_cast<NodeId>(n - 1 - j);
      }
      renamed.add_row(neighbors);
    }
  }
  Matrix<double> messages(n, 5), out(20, 5);
  for (std::int64_t j = 0; j < n; ++j) {
    std::copy_n(c.messages.view().row_data(j), 5, messages.view().row_data(n - 1 - j));
  }

  relation_aggregate<double>({}, renamed.view(), messages.view(), c.self.view(), c.params,
                             out.view());

  CHECK(largest_difference(out, c.run({}).out) <= tolerance<double>(30));
}

TEST_CASE("relation_aggregate's sum is linear, and its backward is the transpose",
          "[ops][relation_aggregate]") {
  auto const reduce = GENERATE(Reduce::sum, Reduce::mean);
  AggregateCase<double> c({.n_dst = 60}, 9, {reduce, Activation::identity});
  auto const first = c.run({});

  // <g, A z> = <A^T g, z> when self is zero.
  c.self = Matrix<double>::zeros(60, 9);
  auto const r = c.run({});
  CHECK(inner_product<double>(c.grad_out.view(), r.out.view()) ==
        Approx(inner_product<double>(r.grad_messages.view(), c.messages.view())));

  for (double& x : c.messages.view().row(0)) {
    x *= 3;
  }
  auto const scaled = c.run({});
  CHECK(same_bits(scaled.grad_messages, first.grad_messages));
}

// ---- gradients

TEST_CASE("relation_aggregate's gradients match central differences", "[ops][relation_aggregate]") {
  auto const reduce = GENERATE(Reduce::max, Reduce::mean, Reduce::sum);
  auto const activation = GENERATE(Activation::relu, Activation::identity);
  auto const normalize = GENERATE(false, true);
  auto const shared = GENERATE(false, true);
  AggregateCase<double> c(
      {.n_dst = 8, .sources = 6, .largest_degree = 4, .shared_messages = shared}, 5,
      {reduce, activation, normalize});
  Matrix<double> out(8, 5);
  auto const loss = [&] {
    relation_aggregate<double>({}, c.csr.view(), c.messages.view(), c.self.view(), c.params,
                               out.view());
    return inner_product<double>(c.grad_out.view(), out.view());
  };

  auto const got = c.run({});

  CHECK(largest_difference(got.grad_messages, numerical_gradient(c.messages.view(), loss)) < 1e-7);
  CHECK(largest_difference(got.grad_self, numerical_gradient(c.self.view(), loss)) < 1e-7);
}

// ---- errors

TEST_CASE("relation_aggregate names what is wrong", "[ops][relation_aggregate]") {
  AggregateCase<float> const c({}, 4, {.l2_normalize = true});
  Matrix<float> out(37, 4), wrong(36, 4), grad_messages(c.csr.message_rows, 4);
  auto csr = c.csr.view();
  auto const forward = [&] {
    relation_aggregate<float>({}, csr, c.messages.view(), c.self.view(), c.params, out.view());
  };
  CHECK_THROWS_AS(relation_aggregate<float>({}, csr, wrong.view(), {}, {}, out.view()), ShapeError);
  CHECK_THROWS_AS(
      relation_aggregate<float>({}, csr, c.messages.view(), wrong.view(), {}, out.view()),
      ShapeError);
  CHECK_THROWS_AS(relation_aggregate<float>({}, csr, c.messages.view(), {}, {}, wrong.view()),
                  ShapeError);
  CHECK_THROWS_WITH(relation_aggregate<float>({}, csr, c.messages.view(), {}, {}, wrong.view()),
                    "relation_aggregate: out: got shape (36, 4), expected shape (37, 4)");

  auto cols = c.csr.cols;
  cols[5] = static_cast<NodeId>(c.csr.message_rows);
  csr.cols = view_of(cols);
  CHECK_THROWS_AS(forward(), IndexError);
  CHECK_THROWS_WITH(
      forward(), "relation_aggregate: csr.cols: got 87 at position 5, expected values in [0, 87)");
  cols[5] = -1;
  CHECK_THROWS_AS(forward(), IndexError);
  csr.cols = view_of(c.csr.cols);

  auto offsets = c.csr.row_offsets;
  csr.row_offsets = view_of(offsets);
  std::swap(offsets[0], offsets[offsets.size() / 2]);
  CHECK_THROWS_AS(forward(), IndexError);
  offsets = c.csr.row_offsets;
  offsets.back() += 1;
  csr.row_offsets = view_of(offsets);
  CHECK_THROWS_AS(forward(), IndexError);
  csr.row_offsets = csr.row_offsets.slice(0, 5);
  CHECK_THROWS_AS(forward(), ShapeError);
}

TEST_CASE("relation_aggregate_backward refuses a cache that is not the forward pass's",
          "[ops][relation_aggregate]") {
  AggregateCase<float> const c({}, 4, {.l2_normalize = true});
  auto r = c.run({});
  auto const backward = [&] {
    relation_aggregate_backward<float>({}, c.csr.view(), r.out.view(), r.cache, c.grad_out.view(),
                                       c.params, r.grad_messages.view(), r.grad_self.view());
  };
  CHECK_NOTHROW(backward());

  r.cache.norm.reset(3);
  CHECK_THROWS_AS(backward(), ShapeError);
  r = c.run({});
  r.cache.arg_width = 2;
  CHECK_THROWS_AS(backward(), ShapeError);
  r.cache = {};
  CHECK_THROWS_AS(backward(), ConfigError);
  CHECK_THROWS_WITH(
      backward(),
      "relation_aggregate_backward: cache: got no forward pass, expected that of a forward pass");
  r = c.run({});
  r.cache.params.activation = Activation::identity;
  CHECK_THROWS_AS(backward(), ConfigError);
  CHECK_THROWS_WITH(backward(),
                    "relation_aggregate_backward: params: got others than the forward pass, "
                    "expected those of the cache");
  r = c.run({});
  r.grad_messages.reset(5, 4);
  CHECK_THROWS_AS(backward(), ShapeError);
}

TEST_CASE("relation_aggregate_backward refuses the cache of a csr of the same shape",
          "[ops][relation_aggregate]") {
  auto const reduce = GENERATE(Reduce::max, Reduce::mean);
  auto const rows = GENERATE(40, 1500);  // one part of the fingerprint, and several
  AggregateCase<float> c({.n_dst = rows}, 4, {reduce});
  auto r = c.run({});
  auto const by_reference = c.run_reference();
  auto const backward = [&] {
    relation_aggregate_backward<float>({}, c.csr.view(), r.out.view(), r.cache, c.grad_out.view(),
                                       c.params, r.grad_messages.view(), r.grad_self.view());
  };
  CHECK(by_reference.cache.csr_fingerprint == r.cache.csr_fingerprint);
  OwnedCsr elsewhere = c.csr;  // other arrays with the same contents are the same csr
  std::swap(c.csr, elsewhere);
  CHECK_NOTHROW(backward());

  auto& cols = c.csr.cols;
  std::size_t const middle = cols.size() / 2;
  for (std::size_t const e : {std::size_t{0}, middle, cols.size() - 1}) {
    NodeId const col = cols[e];
    cols[e] = col == 0 ? 1 : col - 1;
    CHECK_THROWS_AS(backward(), GraphError);
    cols[e] = col;
  }
  CHECK_THROWS_WITH((std::reverse(cols.begin(), cols.end()), backward()),
                    "relation_aggregate_backward: cache: got that of another csr, expected that of "
                    "this csr. Pass the cache of the forward pass with the same csr.");
  std::reverse(cols.begin(), cols.end());

  auto& offsets = c.csr.row_offsets;
  auto const wide = std::adjacent_find(offsets.begin() + 1, offsets.end(),
                                       [](EdgeOffset a, EdgeOffset b) { return b > a + 1; });
  *wide += 1;  // the first edge of a row now belongs to the row before it
  CHECK_THROWS_AS(backward(), GraphError);
  *wide -= 1;
  c.csr.message_rows += 1;
  r.grad_messages.reset(c.csr.message_rows, 4);
  CHECK_THROWS_AS(backward(), GraphError);
}

// ---- determinism

TEMPLATE_TEST_CASE("relation_aggregate gives the same bits for any number of threads",
                   "[ops][relation_aggregate]", float, double) {
  auto const reduce = GENERATE(Reduce::max, Reduce::mean);
  auto const shared = GENERATE(false, true);
  AggregateCase<TestType> const c(
      {.n_dst = 3000, .sources = 900, .hub_degree = 40'000, .shared_messages = shared}, 72,
      {reduce, Activation::relu, true});

  auto const one = c.run({.threads = 1});

  for (int const threads : {2, 3}) {
    auto const more = c.run({.threads = threads});
    CHECK(same_bits(one.out, more.out));
    CHECK(same_bits(one.grad_messages, more.grad_messages));
    CHECK(same_bits(one.grad_self, more.grad_self));
    CHECK((reduce != Reduce::max || same_arg(one.cache, more.cache)));
  }
}
