#include <catch2/catch.hpp>

#include <cstdint>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/optim/adam.hpp>
#include <relweave/optim/sgd.hpp>

#include "support/gradient_check.hpp"
#include "support/instruction_sets.hpp"
#include "support/random_graph.hpp"
#include "support/rounded.hpp"

// A step with gradients in bfloat16 is the step with the same gradients as floats, bit by bit.

using namespace relweave;
using namespace relweave::test;

namespace {

constexpr std::int64_t rows = 700;
constexpr std::int64_t d = 51;

template <typename Optimizer>
Optimizer make();
template <>
optim::Adam<float> make() {
  return {{.weight_decay = 0.1}, rows * d};
}
template <>
optim::Sgd<float> make() {
  return {{.momentum = 0.9, .weight_decay = 0.1}, rows * d};
}

template <typename T>
VectorView<T> flat(MatrixView<T> const& matrix) {
  return {matrix.data, matrix.rows * matrix.cols};
}

}  // namespace

TEMPLATE_TEST_CASE("steps with gradients in bfloat16 are those with the same floats",
                   "[optim][bfloat16]", optim::Adam<float>, optim::Sgd<float>) {
  auto const isa = GENERATE(from_range(instruction_sets()));
  HostContext const ctx{.threads = 2, .isa = isa};
  auto narrow = make<TestType>(), wide = make<TestType>();
  auto const start = random_matrix<float>(rows, d, 1);
  auto got = Matrix<float>::copy_of(start.view()), expected = Matrix<float>::copy_of(start.view());

  for (std::uint64_t t = 0; t < 3; ++t) {
    auto const gradients = random_bfloat16(rows, d, 2 + t);
    auto const floats = converted<float>(gradients);
    narrow.step(ctx, flat(got.view()), flat(gradients.view()), 0.01);
    wide.step(ctx, flat(expected.view()), flat(floats.view()), 0.01);
  }

  CAPTURE(isa_name(isa));
  CHECK(same_bits(got, expected));
  CHECK_FALSE(same_bits(got, start));
}

TEMPLATE_TEST_CASE("steps on rows add up gradients in bfloat16 as floats", "[optim][bfloat16]",
                   optim::Adam<float>, optim::Sgd<float>) {
  auto narrow = make<TestType>(), wide = make<TestType>();
  auto const start = random_matrix<float>(rows, d, 1);
  auto got = Matrix<float>::copy_of(start.view()), expected = Matrix<float>::copy_of(start.view());
  auto const some = random_indices(400, rows, 5);  // some of them twice
  auto const gradients = random_bfloat16(400, d, 6);
  auto const floats = converted<float>(gradients);

  narrow.step_rows({.threads = 2}, got.view(), view_of(some), gradients.view(), 0.01);
  wide.step_rows({.threads = 1}, expected.view(), view_of(some), floats.view(), 0.01);

  CHECK(same_bits(got, expected));
  CHECK_FALSE(same_bits(got, start));
}

TEMPLATE_TEST_CASE("gradients in bfloat16 of another shape are refused", "[optim][bfloat16]",
                   optim::Adam<float>, optim::Sgd<float>) {
  auto optimizer = make<TestType>();
  auto table = random_matrix<float>(rows, d, 1);
  auto const before = Matrix<float>::copy_of(table.view());
  auto const gradients = random_bfloat16(2, d, 2);
  std::vector<NodeId> const outside{0, rows};

  CHECK_THROWS_AS(optimizer.step({}, flat(table.view()), flat(gradients.view()), 0.01), ShapeError);
  CHECK_THROWS_AS(optimizer.step_rows({}, table.view(), view_of(outside), gradients.view(), 0.01),
                  IndexError);
  CHECK(same_bits(table, before));
}
