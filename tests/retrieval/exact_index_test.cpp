#include <catch2/catch.hpp>

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/retrieval/exact_index.hpp>

#include "support/gradient_check.hpp"
#include "support/random_graph.hpp"

using namespace relweave;
using namespace relweave::retrieval;

namespace {

constexpr float nothing = -std::numeric_limits<float>::infinity();

struct Answer {
  Matrix<NodeId> items;
  Matrix<float> scores;
};

Answer search(ExactIndex const& index, MatrixView<float const> queries, std::int64_t k,
              SearchOptions const& options = {}, int threads = 2) {
  Answer a{Matrix<NodeId>(queries.rows, k), Matrix<float>(queries.rows, k)};
  index.search(HostContext{.threads = threads}, queries, k, options, a.items.view(),
               a.scores.view());
  return a;
}

}  // namespace

TEST_CASE("the index gives what sorting all scores gives", "[retrieval]") {
  std::int64_t const n = GENERATE(1, 7, 5000, 9001);  // below, at and beyond a block
  auto const vectors = test::random_matrix<float>(n, 19, 1);
  auto const bias = test::random_matrix<float>(1, n, 2);
  auto const queries = test::random_matrix<float>(300, 19, 3);
  ExactIndex const index(vectors.view(), {}, {bias.data(), n});
  Matrix<float> scores(300, n);
  index.scores(HostContext{}, queries.view(), scores.view());
  std::int64_t const k = 10;

  auto const answer = search(index, queries.view(), k);

  for (std::int64_t q = 0; q < 300; q += 37) {
    std::vector<NodeId> order(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < n; ++i) {
      order[static_cast<std::size_t>(i)] = static_cast<NodeId>(i);
      double expected = static_cast<double>(bias.data()[i]);
      for (std::int64_t c = 0; c < 19; ++c) {
        expected +=
            static_cast<double>(queries.view()(q, c)) * static_cast<double>(vectors.view()(i, c));
      }
      REQUIRE(scores.view()(q, i) == Approx(expected).margin(1e-5));
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](NodeId a, NodeId b) { return scores.view()(q, a) > scores.view()(q, b); });
    for (std::int64_t p = 0; p < k; ++p) {
      if (p < n) {
        CHECK(answer.scores.view()(q, p) ==
              Approx(scores.view()(q, order[static_cast<std::size_t>(p)])).margin(1e-5));
      } else {
        CHECK(answer.items.view()(q, p) == -1);
        CHECK(answer.scores.view()(q, p) == nothing);
      }
    }
  }
}

TEST_CASE("equal scores rank the lower item first", "[retrieval]") {
  auto const vectors = Matrix<float>::from_rows({{1}, {2}, {2}, {1}, {2}});
  auto const query = Matrix<float>::from_rows({{1}});

  auto const answer = search(ExactIndex(vectors.view()), query.view(), 5);

  CHECK(std::vector<NodeId>(answer.items.data(), answer.items.data() + 5) ==
        std::vector<NodeId>{1, 2, 4, 0, 3});
}

TEST_CASE("exclusions, types and allow-lists leave items out", "[retrieval]") {
  auto const vectors = Matrix<float>::from_rows({{6}, {5}, {4}, {3}, {2}, {1}});
  std::vector<NodeTypeId> const types{NodeTypeId{0}, NodeTypeId{0}, NodeTypeId{1},
                                      NodeTypeId{1}, NodeTypeId{2}, NodeTypeId{2}};
  ExactIndex const index(vectors.view(), test::view_of(types));
  auto const queries = Matrix<float>::from_rows({{1}, {-1}});
  std::vector<std::int64_t> const offsets{0, 2, 3};
  std::vector<NodeId> const excluded{2, 0, 5};
  NodeTypeId const allowed_types[] = {NodeTypeId{0}, NodeTypeId{1}};
  NodeId const allowed_items[] = {1, 3, 5};
  SearchOptions options{.excluded_offsets = test::view_of(offsets),
                        .excluded_items = test::view_of(excluded)};
  auto const row = [](Answer const& a, std::int64_t r) {
    return std::vector<NodeId>(a.items.view().row(r).begin(), a.items.view().row(r).end());
  };

  auto const seen = search(index, queries.view(), 3, options);
  options.allowed_types = allowed_types;
  auto const typed = search(index, queries.view(), 3, options);
  options.allowed_items = allowed_items;
  auto const listed = search(index, queries.view(), 3, options);

  CHECK(row(seen, 0) == std::vector<NodeId>{1, 3, 4});
  CHECK(row(seen, 1) == std::vector<NodeId>{4, 3, 2});
  CHECK(row(typed, 0) == std::vector<NodeId>{1, 3, -1});
  CHECK(row(listed, 1) == std::vector<NodeId>{3, 1, -1});
}

TEST_CASE("the index answers with the same bits for any number of threads", "[retrieval]") {
  auto const vectors = test::random_matrix<float>(6000, 33, 4);
  auto const queries = test::random_matrix<float>(GENERATE(1, 600), 33, 5);
  ExactIndex const index(vectors.view());

  auto const one = search(index, queries.view(), 20, {}, 1);
  auto const three = search(index, queries.view(), 20, {}, 3);

  CHECK(test::same_bits(one.items, three.items));
  CHECK(test::same_bits(one.scores, three.scores));
}

TEST_CASE("a score does not depend on the other queries, on later items or on the call",
          "[retrieval]") {
  auto const vectors = test::random_matrix<float>(5000, 33, 8);
  auto const queries = test::random_matrix<float>(300, 33, 9);
  ExactIndex index(vectors.view().row_slice(0, 1003));
  Matrix<float> scores(300, 1003);
  index.scores(HostContext{}, queries.view(), scores.view());
  index.add(vectors.view().row_slice(1003, 5000 - 1003));
  std::vector<NodeId> first(1003);
  std::iota(first.begin(), first.end(), NodeId{0});
  std::int64_t const count = GENERATE(1, 2, 7, 100, 300);

  auto const answer =
      search(index, queries.view().row_slice(0, count), 1003, {.allowed_items = first});

  for (std::int64_t q = 0; q < count; q += 13) {
    for (std::int64_t p = 0; p < 1003; ++p) {
      REQUIRE(answer.scores.view()(q, p) == scores.view()(q, answer.items.view()(q, p)));
    }
  }
}

TEST_CASE("vectors are read back", "[retrieval]") {
  auto const vectors = test::random_matrix<float>(200, 7, 10);
  ExactIndex index(vectors.view().row_slice(0, 90));
  index.add(vectors.view().row_slice(90, 110));
  Matrix<float> read(30, 7);

  index.copy_vectors(80, read.view());

  CHECK(std::equal(read.data(), read.data() + 30 * 7, vectors.view().row_data(80)));
  CHECK_THROWS_AS(index.copy_vectors(171, read.view()), IndexError);
  CHECK_THROWS_AS(index.copy_vectors(0, Matrix<float>(2, 6).view()), ShapeError);
}

TEST_CASE("added items follow the present ones", "[retrieval]") {
  auto const vectors = Matrix<float>::from_rows({{1, 0}, {0, 1}});
  auto const more = Matrix<float>::from_rows({{3, 0}});
  auto const query = Matrix<float>::from_rows({{1, 0}});
  ExactIndex index(vectors.view());

  index.add(more.view());

  CHECK(index.size() == 3);
  CHECK(search(index, query.view(), 1).items.view()(0, 0) == 2);
}

TEST_CASE("the index refuses bad input", "[retrieval]") {
  auto vectors = test::random_matrix<float>(5, 3, 6);
  ExactIndex const index(vectors.view());
  auto const queries = test::random_matrix<float>(2, 4, 7);
  auto bad = Matrix<float>::from_rows({{1, 2, 3}, {1, std::numeric_limits<float>::quiet_NaN(), 1}});
  NodeId const outside[] = {5};

  CHECK_THROWS_AS(search(index, queries.view(), 2), ShapeError);
  CHECK_THROWS_AS(search(index, vectors.view(), 0), ConfigError);
  CHECK_THROWS_WITH(search(index, bad.view(), 2), Catch::Contains("row 1"));
  CHECK_THROWS_AS(ExactIndex(bad.view()), ConfigError);
  CHECK_THROWS_AS(search(index, vectors.view(), 2, {.allowed_items = outside}), IndexError);
}

TEST_CASE("a search in which nothing is left gives empty places", "[retrieval]") {
  auto const vectors = test::random_matrix<float>(4, 3, 6);
  auto const query = test::random_matrix<float>(1, 3, 7);
  ExactIndex const index(vectors.view());
  std::vector<std::int64_t> const offsets{0, 4};
  std::vector<NodeId> const all{3, 1, 0, 2};
  NodeTypeId const other[] = {NodeTypeId{5}};

  auto const excluded =
      search(index, query.view(), 2,
             {.excluded_offsets = test::view_of(offsets), .excluded_items = test::view_of(all)});
  auto const typed = search(index, query.view(), 2, {.allowed_types = other});
  auto const empty = search(ExactIndex(MatrixView<float const>{nullptr, 0, 3}), query.view(), 2);

  for (Answer const* const answer : {&excluded, &typed, &empty}) {
    CHECK(answer->items.view()(0, 0) == -1);
    CHECK(answer->scores.view()(0, 1) == nothing);
  }
}

TEST_CASE("vectors, biases and exclusions that do not fit are refused", "[retrieval]") {
  auto const vectors = test::random_matrix<float>(4, 3, 6);
  auto const query = test::random_matrix<float>(2, 3, 7);
  ExactIndex index(vectors.view());
  std::vector<NodeTypeId> const one_type{NodeTypeId{0}};
  std::vector<float> const short_bias{1}, bad_bias{0, 0, nothing, 0};
  std::vector<std::int64_t> const short_offsets{0, 1}, late{1, 1, 1}, falling{0, 2, 1};
  std::vector<NodeId> const one{0}, outside{4};
  auto const exclude = [&](std::vector<std::int64_t> const& offsets,
                           std::vector<NodeId> const& items) {
    search(index, query.view(), 2,
           {.excluded_offsets = test::view_of(offsets), .excluded_items = test::view_of(items)});
  };

  CHECK_THROWS_WITH(ExactIndex(MatrixView<float const>{vectors.data(), 4, 0}),
                    Catch::Contains("at least one number"));
  CHECK_THROWS_AS(ExactIndex(vectors.view(), test::view_of(one_type)), ShapeError);
  CHECK_THROWS_AS(ExactIndex(vectors.view(), {}, test::view_of(short_bias)), ShapeError);
  CHECK_THROWS_WITH(ExactIndex(vectors.view(), {}, test::view_of(bad_bias)),
                    Catch::Contains("-inf"));
  CHECK_THROWS_AS(index.add(query.view().col_slice(0, 2)), ShapeError);
  CHECK_THROWS_AS(exclude(short_offsets, one), ShapeError);
  CHECK_THROWS_AS(exclude(late, one), ShapeError);
  CHECK_THROWS_AS(exclude(falling, one), ShapeError);
  CHECK_THROWS_AS(exclude({0, 1, 1}, outside), IndexError);
  CHECK(index.size() == 4);
}
