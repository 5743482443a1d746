// What the steps of all optimisers on some rows of a table have in common.

#include <catch2/catch.hpp>

#include <algorithm>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/optim/adam.hpp>
#include <relweave/optim/sgd.hpp>

#include "support/gradient_check.hpp"
#include "support/instruction_sets.hpp"
#include "support/random_graph.hpp"

using namespace relweave;

namespace {

optim::Adam<float> make(optim::Adam<float> const*, std::int64_t size) {
  // Epsilon is added before or after the correction: without it both are the same.
  return {{.epsilon = 0, .weight_decay = 0.1}, size};
}
optim::Sgd<float> make(optim::Sgd<float> const*, std::int64_t size) {
  return {{.momentum = 0.9, .weight_decay = 0.1, .nesterov = true}, size};
}

}  // namespace

TEMPLATE_TEST_CASE("a step on all rows is a dense step", "[optim][rows]", optim::Sgd<float>,
                   optim::Adam<float>) {
  std::int64_t const n = 700, d = 101;  // several tasks, odd rows
  auto const start = test::random_matrix<float>(n, d, 1);
  auto const gradients = test::random_matrix<float>(n, d, 2);
  std::vector<NodeId> rows;
  for (NodeId r = n; r > 0; --r) {
    rows.push_back(r - 1);
  }
  Matrix<float> reversed(n, d);
  for (std::int64_t r = 0; r < n; ++r) {
    std::copy_n(gradients.view().row_data(n - 1 - r), d, reversed.view().row_data(r));
  }
  for (Isa const isa : test::instruction_sets()) {
    auto dense = Matrix<float>(n, d), sparse = Matrix<float>(n, d), once = Matrix<float>(n, d);
    for (auto* m : {&dense, &sparse, &once}) {
      std::copy_n(start.data(), n * d, m->data());
    }
    TestType const* const kind = nullptr;
    auto a = make(kind, n * d), b = make(kind, n * d), c = make(kind, n * d);

    for (int t = 0; t < 3; ++t) {
      a.step(HostContext{.threads = 1, .isa = isa}, {dense.data(), n * d},
             {gradients.data(), n * d}, 0.1);
      b.step_rows(HostContext{.threads = 3, .isa = isa}, sparse.view(), {rows.data(), n},
                  reversed.view(), 0.1);
      c.step_rows(HostContext{.threads = 1, .isa = isa}, once.view(), {rows.data(), n},
                  reversed.view(), 0.1);
    }

    CHECK(test::largest_difference(dense, sparse) < 4e-6);  // three steps of a tenth
    CHECK(test::same_bits(sparse, once));
  }
}

TEMPLATE_TEST_CASE("gradients of one row add up", "[optim][rows]", optim::Sgd<float>,
                   optim::Adam<float>) {
  auto const gradients = test::random_matrix<float>(5, 33, 3);
  std::vector<NodeId> const rows{4, 1, 4, 4, 1};
  auto once = test::random_matrix<float>(6, 33, 4), several = test::random_matrix<float>(6, 33, 4);
  Matrix<float> sums(2, 33);
  for (std::int64_t f = 0; f < 33; ++f) {
    auto const g = gradients.view();
    sums.view()(0, f) = g(1, f) + g(4, f);
    sums.view()(1, f) = g(0, f) + g(2, f) + g(3, f);
  }
  std::vector<NodeId> const unique{1, 4};
  TestType const* const kind = nullptr;
  auto a = make(kind, 6 * 33), b = make(kind, 6 * 33);

  a.step_rows(HostContext{}, once.view(), {unique.data(), 2}, sums.view(), 0.1);
  b.step_rows(HostContext{}, several.view(), {rows.data(), 5}, gradients.view(), 0.1);
  b.step_rows(HostContext{}, several.view(), {}, MatrixView<float>{nullptr, 0, 33}, 0.1);

  CHECK(test::same_bits(once, several));
}
