#include <catch2/catch.hpp>

#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/ops/top_k/top_k.hpp>
#include <relweave/retrieval/device_exact_index.hpp>

#include <support/gradient_check.hpp>
#include <support/random_graph.hpp>

using namespace relweave;
using namespace relweave::retrieval;
using namespace relweave::test;

namespace {

struct Answer {
  Matrix<NodeId> items;
  Matrix<float> scores;
};

/// An index of small integers, whose scores are exact, with its copy on the device.
struct Twins {
  Matrix<float> vectors;
  std::vector<NodeTypeId> types;
  std::vector<float> bias;
  ExactIndex host;
  OwnedStream stream;
  DeviceWorkspace workspace{Growth::on_demand};
  CudaContext ctx{.stream = stream.get(), .workspace = &workspace};
  DeviceExactIndex device;

  explicit Twins(std::int64_t n)
      : vectors(integers(n, 5, 1)), host(make_host(n)), device(ctx, host) {}

  static Matrix<float> integers(std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
    Matrix<float> m(rows, cols);
    auto const drawn = random_indices(rows * cols, 17, seed);
    std::transform(drawn.begin(), drawn.end(), m.data(),
                   [](NodeId x) { return static_cast<float>(x - 8); });
    return m;
  }

  Answer search_host(Matrix<float> const& queries, std::int64_t k, SearchOptions const& options) {
    Answer a{Matrix<NodeId>(queries.rows(), k), Matrix<float>(queries.rows(), k)};
    host.search({}, queries.view(), k, options, a.items.view(), a.scores.view());
    return a;
  }
  Answer search_device(Matrix<float> const& queries, std::int64_t k, SearchOptions const& options) {
    Matrix<float, Space::device> q(queries.rows(), queries.cols());
    Matrix<NodeId, Space::device> items(queries.rows(), k);
    Matrix<float, Space::device> scores(queries.rows(), k);
    copy(ctx, queries.view(), q.view());
    device.search(ctx, q.view(), k, options, items.view(), scores.view());
    Answer a{Matrix<NodeId>(queries.rows(), k), Matrix<float>(queries.rows(), k)};
    copy(ctx, items.view(), a.items.view());
    copy(ctx, scores.view(), a.scores.view());
    synchronize(ctx);
    return a;
  }
  void check_equal(Matrix<float> const& queries, std::int64_t k, SearchOptions const& options) {
    Answer const expected = search_host(queries, k, options);
    Answer const got = search_device(queries, k, options);
    CHECK(same_bits(got.items, expected.items));
    CHECK(same_bits(got.scores, expected.scores));
  }

 private:
  ExactIndex make_host(std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) {
      types.push_back(static_cast<NodeTypeId>(i % 3));
      bias.push_back(static_cast<float>(i % 5));
    }
    return ExactIndex(vectors.view(), view_of(types), view_of(bias));
  }
};

}  // namespace

TEST_CASE("an index on a device finds what the host's finds", "[retrieval][gpu]") {
  Twins twins(GENERATE(1, 96, 700));
  auto const queries = Twins::integers(9, 5, 2);
  std::int64_t const k = GENERATE(1, 10, 800);  // 800 is more than there are

  twins.check_equal(queries, k, {});
}

TEST_CASE("an index on a device walks blocks of items and of queries", "[retrieval][gpu]") {
  Twins twins(33'000);

  twins.check_equal(Twins::integers(2, 5, 2), 3, {});
  Twins few(3);
  few.check_equal(Twins::integers(1030, 5, 2), 2, {});
}

TEST_CASE("filters of a search on a device", "[retrieval][gpu]") {
  Twins twins(200);
  auto const queries = Twins::integers(4, 5, 3);
  std::vector<NodeTypeId> const types{NodeTypeId{0}, NodeTypeId{2}};
  std::vector<NodeId> const allowed{3, 5, 8, 13, 199};
  std::vector<std::int64_t> const offsets{0, 3, 3, 4, 204};
  std::vector<NodeId> excluded{9, 3, 198, 13};
  for (NodeId i = 0; i < 200; ++i) {
    excluded.push_back(i);  // the last query excludes all
  }
  SearchOptions options;

  SECTION("types") {
    options.allowed_types = types;
  }
  SECTION("items") {
    options.allowed_items = allowed;
  }
  SECTION("excluded items") {
    options.excluded_offsets = view_of(offsets);
    options.excluded_items = view_of(excluded);
  }
  SECTION("all of them") {
    options = {.excluded_offsets = view_of(offsets),
               .excluded_items = view_of(excluded),
               .allowed_types = types,
               .allowed_items = allowed};
  }
  twins.check_equal(queries, 10, options);
}

TEST_CASE("scores of all items on a device", "[retrieval][gpu]") {
  Twins twins(130);
  auto const queries = Twins::integers(3, 5, 4);
  Matrix<float> expected(3, 130), got(3, 130);
  Matrix<float, Space::device> q(3, 5), out(3, 130);
  twins.host.scores({}, queries.view(), expected.view());
  copy(twins.ctx, queries.view(), q.view());

  twins.device.scores(twins.ctx, q.view(), out.view());

  copy(twins.ctx, out.view(), got.view());
  synchronize(twins.ctx);
  CHECK(same_bits(got, expected));
}

TEST_CASE("a search on a device refuses what does not fit", "[retrieval][gpu]") {
  Twins twins(20);
  Matrix<float, Space::device> queries(2, 5), scores(2, 3), wide(2, ops::top_k_device_limit + 1);
  Matrix<NodeId, Space::device> items(2, 3), wide_items(2, ops::top_k_device_limit + 1);
  std::vector<NodeId> const outside{20};
  auto const search = [&](std::int64_t k, SearchOptions const& options, auto q) {
    twins.device.search(twins.ctx, q, k, options, items.view(), scores.view());
  };

  CHECK_THROWS_WITH(search(0, {}, queries.view()), Catch::Contains("k: got 0"));
  CHECK_THROWS_AS(search(4, {}, queries.view()), ShapeError);
  CHECK_THROWS_AS(search(3, {}, queries.view().col_slice(0, 4)), ShapeError);
  CHECK_THROWS_AS(search(3, {.allowed_items = outside}, queries.view()), IndexError);
  CHECK_THROWS_WITH(twins.device.search(twins.ctx, queries.view(), wide.cols(), {},
                                        wide_items.view(), wide.view()),
                    Catch::Contains("k: got 2049") && Catch::Contains("CPU"));
}
