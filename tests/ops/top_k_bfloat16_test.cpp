#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include <relweave/core/random.hpp>
#include <relweave/ops/top_k/reference.hpp>
#include <relweave/ops/top_k/top_k.hpp>

#include <support/gradient_check.hpp>
#include <support/instruction_sets.hpp>
#include <support/random_graph.hpp>
#include <support/rounded.hpp>

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

template <typename T>
struct Best {
  Matrix<NodeId> indices;
  Matrix<T> values;
};

template <typename T>
Best<T> best_of(HostContext const& ctx, MatrixView<T const> scores, std::int64_t k) {
  Best<T> best{Matrix<NodeId>(scores.rows, k), Matrix<T>(scores.rows, k)};
  top_k<T>(ctx, scores, best.indices.view(), best.values.view());
  return best;
}

/// Scores of few levels, so that many are equal; a tenth is -infinity or NaN.
Matrix<bfloat16> tied_scores(std::int64_t rows, std::int64_t columns, std::uint32_t levels) {
  Matrix<bfloat16> scores(rows, columns);
  RandomStream random(83, Purpose::test, 1);
  std::generate_n(scores.data(), rows * columns, [&] {
    std::uint32_t const kind = random.below(20);
    auto const level = static_cast<float>(random.below(levels)) - 3;
    return bfloat16(kind == 0   ? -std::numeric_limits<float>::infinity()
                    : kind == 1 ? std::numeric_limits<float>::quiet_NaN()
                                : level);
  });
  return scores;
}

}  // namespace

TEST_CASE("top_k of bfloat16 is that of the same scores as floats", "[ops][top_k][bfloat16]") {
  auto const isa = GENERATE(from_range(instruction_sets()));
  auto const columns = GENERATE(0, 1, 63, 64, 65, 1000);
  auto const k = GENERATE(1, 10, 1001);  // 1001: more than there are
  auto const scores = tied_scores(19, columns, GENERATE(3U, 1'000'000U));
  auto const floats = converted<float>(scores);

  auto const got = best_of<bfloat16>({.threads = 2, .isa = isa}, scores.view(), k);

  Best<float> expected{Matrix<NodeId>(19, k), Matrix<float>(19, k)};
  reference::top_k<float>(floats.view(), expected.indices.view(), expected.values.view());
  CAPTURE(isa_name(isa), columns, k);
  CHECK(same_bits(got.indices, expected.indices));
  CHECK(same_bits(converted<float>(got.values), expected.values));
}

TEST_CASE("top_k_merge of bfloat16 block by block is top_k of the whole, and its reference",
          "[ops][top_k][bfloat16]") {
  auto const scores = tied_scores(11, 1000, 50);
  auto best = best_of<bfloat16>({}, scores.view().col_slice(0, 300), 20);
  auto reference_best = best_of<bfloat16>({}, scores.view().col_slice(0, 300), 20);

  for (std::int64_t c = 300; c < 1000; c += 350) {
    auto const part = scores.view().col_slice(c, 350);
    top_k_merge<bfloat16>({}, part, static_cast<NodeId>(c), best.indices.view(),
                          best.values.view());
    reference::top_k_merge<bfloat16>(part, static_cast<NodeId>(c), reference_best.indices.view(),
                                     reference_best.values.view());
  }

  auto const whole = best_of<bfloat16>({}, scores.view(), 20);
  CHECK(same_bits(best.indices, whole.indices));
  CHECK(same_bits(best.values, whole.values));
  CHECK(same_bits(reference_best.indices, whole.indices));
  CHECK(same_bits(reference_best.values, whole.values));
}
