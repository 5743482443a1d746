#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/ops/top_k/reference.hpp>
#include <relweave/ops/top_k/top_k.hpp>

#include <support/device.hpp>
#include <support/gradient_check.hpp>
#include <support/random_graph.hpp>

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

struct Lists {
  Matrix<NodeId> indices;
  Matrix<float> values;
};

Lists by_reference(Matrix<float> const& scores, std::int64_t k) {
  Lists r{Matrix<NodeId>(scores.rows(), k), Matrix<float>(scores.rows(), k)};
  reference::top_k<float>(scores.view(), r.indices.view(), r.values.view());
  return r;
}

template <typename T>
Lists on_device(Device& device, Matrix<float> const& scores, std::int64_t k) {
  auto const from = device.upload<T>(converted<T>(scores).view());
  Matrix<NodeId, Space::device> indices(scores.rows(), k);
  Matrix<T, Space::device> values(scores.rows(), k);
  top_k<T>(device.context(), from.view(), indices.view(), values.view());
  return {device.download<NodeId>(indices.view()),
          converted<float>(device.download<T>(values.view()))};
}

bool same(Lists const& a, Lists const& b) {
  return same_bits(a.indices, b.indices) && same_bits(a.values, b.values);
}

/// Few different values, so that there are ties.
Matrix<float> scores_with_ties(std::int64_t rows, std::int64_t n, std::uint64_t seed) {
  auto scores = random_matrix<float>(rows, n, seed);
  std::transform(scores.data(), scores.data() + rows * n, scores.data(),
                 [](float x) { return std::floor(64 * x) / 64; });
  return scores;
}

struct Shape {
  std::int64_t rows, n, k;
};

}  // namespace

TEMPLATE_TEST_CASE("top_k on a device finds the reference's places", "[ops][top_k][gpu]", float,
                   bfloat16) {
  Device device;
  auto const shape = GENERATE(Shape{1, 1, 1}, Shape{3, 5, 10}, Shape{41, 100, 7},
                              Shape{7, 1500, 32}, Shape{2, 5000, 512}, Shape{2, 5000, 513},
                              Shape{2, 3000, 1024}, Shape{1, 6000, 2048});
  auto const ties = GENERATE(true, false);
  auto const scores = ties ? scores_with_ties(shape.rows, shape.n, 120)
                           : stored_as<TestType>(random_matrix<float>(shape.rows, shape.n, 121));

  auto const got = on_device<TestType>(device, scores, shape.k);

  CAPTURE(shape.n, shape.k);
  CHECK(same(got, by_reference(scores, shape.k)));
}

TEST_CASE("top_k on a device takes more rows than a grid has blocks", "[ops][top_k][gpu]") {
  Device device;
  auto const scores = scores_with_ties(300, 50, 122);

  CHECK(same(on_device<float>(device, scores, 8), by_reference(scores, 8)));
}

TEST_CASE("top_k on a device shares out long rows", "[ops][top_k][gpu]") {
  Device device;
  auto const shape = GENERATE(Shape{1, 70'001, 10}, Shape{3, 40'000, 100}, Shape{1, 50'000, 1500});
  auto const scores = scores_with_ties(shape.rows, shape.n, 123);

  auto const got = on_device<float>(device, scores, shape.k);

  CHECK(top_k_workspace(shape.rows, shape.n, shape.k) > 0);
  CHECK(same(got, by_reference(scores, shape.k)));
}

TEST_CASE("top_k on a device takes rows that rise, fall or stay", "[ops][top_k][gpu]") {
  Device device;
  auto const k = GENERATE(1, 100, 700);
  Matrix<float> scores(3, 8000);
  for (std::int64_t c = 0; c < 8000; ++c) {
    scores.view()(0, c) = static_cast<float>(c);
    scores.view()(1, c) = -1 - static_cast<float>(c);
    scores.view()(2, c) = 0.5F;
  }

  CHECK(same(on_device<float>(device, scores, k), by_reference(scores, k)));
}

TEMPLATE_TEST_CASE("top_k on a device never takes NaN and -infinity", "[ops][top_k][gpu]", float,
                   bfloat16) {
  Device device;
  auto const nan = std::nanf("");
  auto const scores = Matrix<float>::from_rows({{-infinity, nan, -1, infinity, -nan, -2},
                                                {nan, nan, -infinity, -infinity, nan, nan},
                                                {-0x1p-130F, 0x1p-130F, 0, -1, 1, nan}});

  auto const got = on_device<TestType>(device, scores, 4);

  CHECK(same_bits(got.indices,
                  Matrix<NodeId>::from_rows({{3, 2, 5, -1}, {-1, -1, -1, -1}, {4, 1, 2, 0}})));
  CHECK(
      same_bits(got.values, Matrix<float>::from_rows({{infinity, -1, -2, -infinity},
                                                      {-infinity, -infinity, -infinity, -infinity},
                                                      {1, 0x1p-130F, 0, -0x1p-130F}})));
}

TEST_CASE("top_k on a device: both zeros are equal", "[ops][top_k][gpu]") {
  Device device;
  auto const scores = Matrix<float>::from_rows({{-1, -0.0F, 0.0F, -0.0F}});

  auto const got = on_device<float>(device, scores, 4);

  CHECK(same_bits(got.indices, Matrix<NodeId>::from_rows({{1, 2, 3, 0}})));
  CHECK(same_bits(got.values, Matrix<float>::from_rows({{0, 0, 0, -1}})));
}

TEST_CASE("top_k on a device takes strided and unaligned rows", "[ops][top_k][gpu]") {
  Device device;
  auto const ctx = device.context();
  auto const gap = GENERATE(1, 3, 4);
  auto const wide = scores_with_ties(20, 333 + gap, 124);
  auto const from = device.upload<float>(wide.view());
  auto const marked = Matrix<NodeId>::zeros(20, 9 + gap);
  auto const unmarked = Matrix<float>::zeros(20, 9 + gap);
  Matrix<NodeId, Space::device> indices(20, 9 + gap);
  Matrix<float, Space::device> values(20, 9 + gap);
  copy(ctx, marked.view(), indices.view());
  copy(ctx, unmarked.view(), values.view());

  top_k<float>(ctx, from.view().col_slice(gap, 333), indices.view().col_slice(gap, 9),
               values.view().col_slice(gap, 9));

  auto const expected = by_reference(Matrix<float>::copy_of(wide.view().col_slice(gap, 333)), 9);
  auto const got_indices = device.download<NodeId>(indices.view());
  auto const got_values = device.download<float>(values.view());
  CHECK(same_bits(Matrix<NodeId>::copy_of(got_indices.view().col_slice(gap, 9)), expected.indices));
  CHECK(same_bits(Matrix<float>::copy_of(got_values.view().col_slice(gap, 9)), expected.values));
  CHECK(same_bits(Matrix<NodeId>::copy_of(got_indices.view().col_slice(0, gap)),
                  Matrix<NodeId>::zeros(20, gap)));
  CHECK(same_bits(Matrix<float>::copy_of(got_values.view().col_slice(0, gap)),
                  Matrix<float>::zeros(20, gap)));
}

TEMPLATE_TEST_CASE("merging blocks on a device ranks the whole", "[ops][top_k][gpu]", float,
                   bfloat16) {
  Device device;
  auto const ctx = device.context();
  // Blocks of one part and of several, and lists that the first block leaves incomplete.
  auto const widths = GENERATE(std::vector<std::int64_t>{3, 0, 500, 1, 2000},
                               std::vector<std::int64_t>{700, 40'000});
  auto const k = GENERATE(1, 10, 600);
  auto const n = std::accumulate(widths.begin(), widths.end(), std::int64_t{0});
  auto scores = scores_with_ties(2, n, 125);
  scores.view()(0, 1) = std::nanf("");
  scores.view()(0, 2) = -infinity;
  auto const from = device.upload<TestType>(converted<TestType>(scores).view());
  Matrix<NodeId, Space::device> indices(2, k);
  Matrix<TestType, Space::device> values(2, k);

  top_k<TestType>(ctx, from.view().col_slice(0, widths[0]), indices.view(), values.view());
  auto first = widths[0];
  for (std::size_t b = 1; b < widths.size(); ++b) {
    top_k_merge<TestType>(ctx, from.view().col_slice(first, widths[b]), static_cast<NodeId>(first),
                          indices.view(), values.view());
    first += widths[b];
  }

  Lists const got{device.download<NodeId>(indices.view()),
                  converted<float>(device.download<TestType>(values.view()))};
  CHECK(same(got, by_reference(scores, k)));
}

TEST_CASE("a merge on a device that finds nothing better leaves the lists", "[ops][top_k][gpu]") {
  Device device;
  auto const ctx = device.context();
  auto const scores = Matrix<float>::from_rows({{5, 4, 4, 3}});
  auto const lower = Matrix<float>::from_rows({{3, 2, 4}});
  auto const first = device.upload<float>(scores.view());
  auto const second = device.upload<float>(lower.view());
  Matrix<NodeId, Space::device> indices(1, 3);
  Matrix<float, Space::device> values(1, 3);

  top_k<float>(ctx, first.view(), indices.view(), values.view());
  top_k_merge<float>(ctx, second.view(), 4, indices.view(), values.view());

  CHECK(same_bits(device.download<NodeId>(indices.view()), Matrix<NodeId>::from_rows({{0, 1, 2}})));
  CHECK(same_bits(device.download<float>(values.view()), Matrix<float>::from_rows({{5, 4, 4}})));
}

TEST_CASE("top_k on a device: no rows and no columns", "[ops][top_k][gpu]") {
  Device device;

  CHECK(on_device<float>(device, Matrix<float>(0, 5), 3).indices.rows() == 0);
  auto const none = on_device<float>(device, Matrix<float>(2, 0), 3);
  CHECK(same(none, by_reference(Matrix<float>(2, 0), 3)));
}

TEST_CASE("top_k on a device refuses what does not fit", "[ops][top_k][gpu]") {
  Device device;
  auto const ctx = device.context();
  Matrix<float, Space::device> scores(2, 50'000), values(2, 4), few(1, 4), narrow(2, 3);
  Matrix<NodeId, Space::device> indices(2, 4);
  auto no_stream = ctx;
  no_stream.stream = nullptr;
  auto no_workspace = ctx;
  no_workspace.workspace = nullptr;

  CHECK_THROWS_AS(top_k<float>(no_stream, scores.view(), indices.view(), values.view()),
                  DeviceError);
  CHECK_THROWS_WITH(top_k<float>(no_workspace, scores.view(), indices.view(), values.view()),
                    Catch::Contains("top_k: workspace: got 0 bytes, expected at least " +
                                    std::to_string(top_k_workspace(2, 50'000, 4)) + " bytes"));
  CHECK_THROWS_WITH(top_k<float>(ctx, scores.view(), {nullptr, 2, 0}, {nullptr, 2, 0}),
                    "top_k: k: got 0, expected 1 to 2048");
  CHECK_THROWS_WITH(top_k<float>(ctx, scores.view(), {nullptr, 2, 2049}, {nullptr, 2, 2049}),
                    "top_k: k: got 2049, expected 1 to 2048. Use the CPU for longer lists.");
  CHECK_THROWS_WITH(top_k<float>(ctx, scores.view(), indices.view().row_slice(0, 1), few.view()),
                    "top_k: indices: got shape (1, 4), expected shape (2, 4)");
  CHECK_THROWS_WITH(top_k_merge<float>(ctx, scores.view(), 0, indices.view(), narrow.view()),
                    "top_k_merge: values: got shape (2, 3), expected shape (2, 4)");
}

TEST_CASE("top_k on a device gives the same bits again", "[ops][top_k][gpu]") {
  Device device;
  auto const shape = GENERATE(Shape{9, 3000, 50}, Shape{1, 60'000, 300});
  auto const scores = scores_with_ties(shape.rows, shape.n, 126);

  auto const first = on_device<float>(device, scores, shape.k);
  auto const second = on_device<float>(device, scores, shape.k);

  CHECK(same(first, second));
}
