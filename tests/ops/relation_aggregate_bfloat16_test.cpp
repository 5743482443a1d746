#include <catch2/catch.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/ops/relation_aggregate/reference.hpp>
#include <relweave/ops/relation_aggregate/relation_aggregate.hpp>

#include <support/gradient_check.hpp>
#include <support/instruction_sets.hpp>
#include <support/random_graph.hpp>
#include <support/rounded.hpp>

#include "relation_aggregate_case.hpp"

// bfloat16 in memory, float in registers: what comes out is the reference's result in double, for
// the same numbers, rounded once.

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

struct Result {
  Matrix<bfloat16> out, grad_messages, grad_self;
  RelationAggregateCache<float> cache;
};

/// A case in double whose numbers bfloat16 holds.
struct Case : AggregateCase<double> {
  Matrix<bfloat16> stored_messages, stored_self, stored_grad_out;

  Case(RandomCsrOptions const& options, std::int64_t d, RelationAggregateParams const& p)
      : AggregateCase<double>(options, d, p) {
    store();
  }

  /// To be called after a change of the numbers.
  void store() {
    stored_messages = converted<bfloat16>(messages);
    stored_self = converted<bfloat16>(self);
    stored_grad_out = converted<bfloat16>(grad_out);
    messages = converted<double>(stored_messages);
    self = converted<double>(stored_self);
    grad_out = converted<double>(stored_grad_out);
  }

  Result run_stored(HostContext const& ctx) const {
    Result r{{self.rows(), self.cols()},
             {messages.rows(), messages.cols()},
             {self.rows(), self.cols()},
             {}};
    relation_aggregate<bfloat16>(ctx, csr.view(), stored_messages.view(), stored_self.view(),
                                 params, r.out.view(), &r.cache);
    relation_aggregate_backward<bfloat16>(ctx, csr.view(), r.out.view(), r.cache,
                                          stored_grad_out.view(), params, r.grad_messages.view(),
                                          r.grad_self.view());
    return r;
  }
};

/// `longest` is the length of the longest sum.
void check_rounded_once(Case const& c, Result const& got, std::int64_t longest) {
  auto expected = c.run_reference();
  double const sum_error = tolerance<float>(longest);
  CHECK(rounded_once(got.out, expected.out, sum_error));
  if (c.params.reduce == Reduce::max) {
    CHECK(same_arg(got.cache, expected.cache));
  }

  // The backward pass reads out as it was stored, and the messages' gradients that of self.
  reference::relation_aggregate_backward<double>(
      c.csr.view(), converted<double>(got.out).view(), expected.cache, c.grad_out.view(), c.params,
      expected.grad_messages.view(), expected.grad_self.view());
  CHECK(rounded_once(got.grad_self, expected.grad_self, sum_error));
  reference::relation_aggregate_backward<double>(
      c.csr.view(), expected.out.view(), expected.cache, converted<double>(got.grad_self).view(),
      {c.params.reduce, Activation::identity}, expected.grad_messages.view(),
      expected.grad_self.view());
  CHECK(rounded_once(got.grad_messages, expected.grad_messages, sum_error));
}

bool same(Result const& a, Result const& b) {
  return same_bits(a.out, b.out) && same_bits(a.grad_messages, b.grad_messages) &&
         same_bits(a.grad_self, b.grad_self) && same_arg(a.cache, b.cache);
}

}  // namespace

TEST_CASE("relation_aggregate in bfloat16 is the reference's result, rounded once",
          "[ops][relation_aggregate][bfloat16]") {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const reduce = GENERATE(Reduce::max, Reduce::mean, Reduce::sum);
  auto const d = GENERATE(1, 3, 16, 37, 64, 128, 200);
  auto const l2_normalize = GENERATE(false, true);
  Case const c({}, d, {reduce, d % 2 == 0 ? Activation::relu : Activation::identity, l2_normalize});

  auto const got = c.run_stored({.threads = 2, .isa = isa});

  CAPTURE(isa_name(isa), static_cast<int>(reduce), d, l2_normalize);
  check_rounded_once(c, got, d + 30);
}

TEST_CASE("relation_aggregate's max in bfloat16 is exact but for the last rounding",
          "[ops][relation_aggregate][bfloat16]") {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const d = GENERATE(37, 128);
  Case const c({.n_dst = 200}, d, {.reduce = Reduce::max});

  auto const got = c.run_stored({.isa = isa});

  // Four numbers of eight bits, none below 2^-13: float holds their sum.
  auto const expected = c.run_reference();
  CHECK(same_bits(got.out, converted<bfloat16>(expected.out)));
  CHECK(same_arg(got.cache, expected.cache));
}

TEST_CASE("relation_aggregate in bfloat16 merges hubs in float",
          "[ops][relation_aggregate][bfloat16]") {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const reduce = GENERATE(Reduce::max, Reduce::mean, Reduce::sum);
  auto const hub = GENERATE(254, 255, 40'000, 70'000);
  Case const c({.n_dst = 9, .sources = 5000, .hub_degree = hub}, 24, {.reduce = reduce});

  auto const got = c.run_stored({.threads = 2, .isa = isa});

  CAPTURE(isa_name(isa), static_cast<int>(reduce), hub);
  check_rounded_once(c, got, hub);
}

TEST_CASE("relation_aggregate in bfloat16 keeps sums in float from relation to relation",
          "[ops][relation_aggregate][bfloat16]") {
  auto const reduce = GENERATE(Reduce::max, Reduce::mean, Reduce::sum);
  auto const l2_normalize = GENERATE(false, true);
  // 13 MB of messages per relation: a pass each.
  Case const c({.n_dst = 40, .relations = 2, .sources = 70'000, .largest_degree = 40}, 96,
               {reduce, Activation::relu, l2_normalize});

  auto const got = c.run_stored({.threads = 2});

  check_rounded_once(c, got, 96 + 80);
}

TEST_CASE("relation_aggregate in bfloat16 adds small messages to large sums",
          "[ops][relation_aggregate][bfloat16]") {
  // 256 + 1 is 256 in bfloat16, so that sums there would never grow.
  OwnedCsr csr{.n_dst = 1, .relations = 2, .message_rows = 2};
  csr.add_row(std::vector<NodeId>(256, 0));
  csr.add_row(std::vector<NodeId>(256, 1));
  auto const messages = converted<bfloat16>(Matrix<float>::from_rows({{1}, {1}}));
  auto const self = converted<bfloat16>(Matrix<float>::from_rows({{256}}));
  Matrix<bfloat16> out(1, 1);

  relation_aggregate<bfloat16>({}, csr.view(), messages.view(), self.view(), {Reduce::sum},
                               out.view());
  CHECK(converted<float>(out).data()[0] == 768);

  RelationAggregateCache<float> cache;
  Matrix<bfloat16> grad_messages(2, 1);
  auto const one = converted<bfloat16>(Matrix<float>::from_rows({{1}}));
  OwnedCsr star{.n_dst = 512, .relations = 1, .message_rows = 2};
  for (int i = 0; i < 512; ++i) {
    star.add_row({1});
  }
  Matrix<bfloat16> many(512, 1);
  auto const ones = converted<bfloat16>([] {
    Matrix<float> m(512, 1);
    std::fill_n(m.data(), 512, 1.0F);
    return m;
  }());
  relation_aggregate<bfloat16>({}, star.view(), messages.view(), {}, {}, many.view(), &cache);
  relation_aggregate_backward<bfloat16>({}, star.view(), many.view(), cache, ones.view(), {},
                                        grad_messages.view(), {});
  CHECK(same_bits(converted<float>(grad_messages), Matrix<float>::from_rows({{0}, {512}})));
}

TEST_CASE("relation_aggregate in bfloat16 keeps every bit of what it only copies",
          "[ops][relation_aggregate][bfloat16]") {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const d = GENERATE(1, 31, 64);  // one element, a register of each width, many registers
  std::int64_t const rows = (65'536 + d - 1) / d;
  Matrix<bfloat16> self(rows, d), out(rows, d);
  for (std::int64_t i = 0; i < rows * d; ++i) {
    self.data()[i].bits = static_cast<std::uint16_t>(i);
  }
  RelationCsrView<> const no_relations{.n_dst = rows, .relations = 0, .message_rows = 0};

  relation_aggregate<bfloat16>({.isa = isa}, no_relations, {}, self.view(),
                               {.activation = Activation::identity}, out.view());

  for (std::int64_t i = 0; i < rows * d; ++i) {
    bfloat16 const x = self.data()[i];
    bool const nan = std::isnan(static_cast<float>(x));
    REQUIRE(out.data()[i].bits == (nan ? x.bits | 0x40 : x.bits));
  }
}

TEST_CASE("relation_aggregate in bfloat16 lets NaN and infinities through",
          "[ops][relation_aggregate][bfloat16]") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  constexpr float infinity = std::numeric_limits<float>::infinity();
  auto const isa = GENERATE(from_range(instruction_sets()));
  OwnedCsr csr{.n_dst = 1, .relations = 1, .message_rows = 3};
  csr.add_row({0, 1, 2});
  auto const messages = converted<bfloat16>(Matrix<float>::from_rows(
      {{nan, 1, -infinity, -0.0F}, {1, nan, -infinity, 0}, {2, 3, -infinity, 0}}));
  Matrix<bfloat16> out(1, 4);
  RelationAggregateCache<float> cache;

  relation_aggregate<bfloat16>({.isa = isa}, csr.view(), messages.view(), {},
                               {.activation = Activation::identity}, out.view(), &cache);

  CHECK(std::isnan(static_cast<float>(out.view()(0, 0))));
  CHECK(std::isnan(static_cast<float>(out.view()(0, 1))));
  CHECK(static_cast<float>(out.view()(0, 2)) == -infinity);
  CHECK(args_of(cache) == std::vector<int>{0, 1, 0, 0});
  relation_aggregate<bfloat16>({.isa = isa}, csr.view(), messages.view(), {}, {}, out.view());
  CHECK(std::isnan(static_cast<float>(out.view()(0, 1))));
}

TEST_CASE("relation_aggregate's norms in bfloat16 neither overflow nor underflow",
          "[ops][relation_aggregate][bfloat16]") {
  constexpr float large = 0x1p125F, small = 0x1p-133F;  // the least subnormal is 2^-133
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const self = converted<bfloat16>(Matrix<float>::from_rows(
      {{3 * large, 4 * large}, {6 * large, 6 * large}, {small, small}, {0, 0}}));
  RelationCsrView<> const csr{.n_dst = 4, .relations = 0, .message_rows = 0};
  Matrix<bfloat16> out(4, 2);
  RelationAggregateCache<float> cache;

  relation_aggregate<bfloat16>({.isa = isa}, csr, {}, self.view(), {.l2_normalize = true},
                               out.view(), &cache);

  double const half = std::sqrt(0.5);
  CHECK(rounded_once(out,
                     Matrix<double>::from_rows({{0.6, 0.8}, {half, half}, {half, half}, {0, 0}}),
                     tolerance<float>(2)));
  CHECK(cache.norm.data()[0] == Approx(5 * large));
  CHECK(std::isinf(cache.norm.data()[1]));
  CHECK(cache.norm.data()[3] == 0);
}

TEST_CASE("relation_aggregate in bfloat16 reads and writes strided rows only where they are",
          "[ops][relation_aggregate][bfloat16]") {
  auto const reduce = GENERATE(Reduce::max, Reduce::sum);
  auto const l2_normalize = GENERATE(false, true);
  Case const c({.n_dst = 50}, 45, {reduce, Activation::relu, l2_normalize});
  StridedMatrix<bfloat16> messages(c.stored_messages.view(), 3), self(c.stored_self.view(), 5),
      grad_out(c.stored_grad_out.view(), 1);
  StridedMatrix<bfloat16> out(50, 45, 7), grad_messages(c.csr.message_rows, 45, 2),
      grad_self(50, 45, 4);
  RelationAggregateCache<float> cache;

  relation_aggregate<bfloat16>({}, c.csr.view(), messages.view(), self.view(), c.params, out.view(),
                               &cache);
  relation_aggregate_backward<bfloat16>({}, c.csr.view(), out.view(), cache, grad_out.view(),
                                        c.params, grad_messages.view(), grad_self.view());

  auto const expected = c.run_stored({});
  CHECK(same_bits(Matrix<bfloat16>::copy_of(out.view()), expected.out));
  CHECK(same_bits(Matrix<bfloat16>::copy_of(grad_messages.view()), expected.grad_messages));
  CHECK(same_bits(Matrix<bfloat16>::copy_of(grad_self.view()), expected.grad_self));
  CHECK((out.intact() && grad_messages.intact() && grad_self.intact()));
}

TEST_CASE("relation_aggregate in bfloat16 works in place and without self, cache or grad_self",
          "[ops][relation_aggregate][bfloat16]") {
  auto const reduce = GENERATE(Reduce::max, Reduce::mean);
  auto const l2_normalize = GENERATE(false, true);
  Case c({.n_dst = 300, .shared_messages = true}, 40, {reduce, Activation::relu, l2_normalize});
  auto const expected = c.run_stored({});

  auto in_place = Matrix<bfloat16>::copy_of(c.stored_self.view());
  relation_aggregate<bfloat16>({}, c.csr.view(), c.stored_messages.view(), in_place.view(),
                               c.params, in_place.view());
  Matrix<bfloat16> grad_messages(c.csr.message_rows, 40);
  relation_aggregate_backward<bfloat16>({}, c.csr.view(), expected.out.view(), expected.cache,
                                        c.stored_grad_out.view(), c.params, grad_messages.view(),
                                        {});
  auto grad_in_place = Matrix<bfloat16>::copy_of(c.stored_grad_out.view());
  relation_aggregate_backward<bfloat16>({}, c.csr.view(), expected.out.view(), expected.cache,
                                        grad_in_place.view(), c.params, grad_messages.view(),
                                        grad_in_place.view());
  c.self = Matrix<double>::zeros(300, 40);
  c.store();
  Matrix<bfloat16> without_self(300, 40);
  relation_aggregate<bfloat16>({}, c.csr.view(), c.stored_messages.view(), {}, c.params,
                               without_self.view());

  CHECK(same_bits(in_place, expected.out));
  CHECK(same_bits(grad_messages, expected.grad_messages));
  CHECK(same_bits(grad_in_place, expected.grad_self));
  CHECK(same_bits(converted<float>(without_self), converted<float>(c.run_stored({}).out)));
}

TEST_CASE("relation_aggregate in bfloat16 gives the same bits for any number of threads",
          "[ops][relation_aggregate][bfloat16]") {
  auto const reduce = GENERATE(Reduce::max, Reduce::mean);
  auto const shared = GENERATE(false, true);
  Case const c({.n_dst = 3000, .sources = 900, .hub_degree = 40'000, .shared_messages = shared}, 72,
               {reduce, Activation::relu, true});

  auto const one = c.run_stored({.threads = 1});

  CHECK(same(one, c.run_stored({.threads = 2})));
  CHECK(same(one, c.run_stored({.threads = 3})));
}

TEST_CASE("relation_aggregate in bfloat16 names what is wrong",
          "[ops][relation_aggregate][bfloat16]") {
  Case const c({}, 4, {.l2_normalize = true});
  auto r = c.run_stored({});
  Matrix<bfloat16> wrong(36, 4);
  auto const backward = [&] {
    relation_aggregate_backward<bfloat16>({}, c.csr.view(), r.out.view(), r.cache,
                                          c.stored_grad_out.view(), c.params,
                                          r.grad_messages.view(), r.grad_self.view());
  };

  CHECK_THROWS_AS(
      relation_aggregate<bfloat16>({}, c.csr.view(), wrong.view(), {}, {}, r.out.view()),
      ShapeError);
  CHECK_THROWS_WITH(relation_aggregate<bfloat16>({}, c.csr.view(), c.stored_messages.view(), {}, {},
                                                 wrong.view()),
                    "relation_aggregate: out: got shape (36, 4), expected shape (37, 4)");
  r.cache.norm.reset(3);
  CHECK_THROWS_AS(backward(), ShapeError);
  r = c.run_stored({});
  r.cache = {};
  CHECK_THROWS_AS(backward(), ConfigError);
  r = c.run_stored({});
  r.grad_messages.reset(5, 4);
  CHECK_THROWS_AS(backward(), ShapeError);
}
