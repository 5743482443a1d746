#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <set>
#include <span>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/graph/builder.hpp>
#include <relweave/graph/compact_block.hpp>

#include "support/many_relations.hpp"
#include "support/random_graph.hpp"

using namespace relweave;
using namespace relweave::graph;

namespace {

/// The source that a neighbour stands for.
std::int64_t source_of(RelationBlock const& relation, NodeId col) {
  std::int64_t const row = col - relation.message_base;
  return relation.source_rows.empty() ? row : relation.source_rows[row];
}

/// Sources that the edges of a relation name.
std::set<std::int64_t> sources_read(DestinationBlock const& block, std::int32_t r) {
  std::set<std::int64_t> read;
  for (std::int64_t d = 0; d < block.csr.n_dst; ++d) {
    std::int64_t const row = d * block.csr.relations + r;
    for (EdgeOffset e = block.csr.row_offsets[row]; e < block.csr.row_offsets[row + 1]; ++e) {
      read.insert(source_of(block.relations[static_cast<std::size_t>(r)], block.csr.cols[e]));
    }
  }
  return read;
}

/// Four sources, of which relation 0 reads the second and the last, relation 1 all.
struct TwoRelations {
  Schema schema{{"a", "b"},
                {{NodeTypeId{0}, "x", NodeTypeId{1}}, {NodeTypeId{0}, "y", NodeTypeId{1}}}};
  HeteroGraph graph = make();
  BlockView block = graph.block();
  std::vector<DestinationBlock> destinations{block.destinations.begin(), block.destinations.end()};
  std::vector<RelationBlock> relations{destinations[1].relations.begin(),
                                       destinations[1].relations.end()};

  HeteroGraph make() const {
    HeteroGraphBuilder builder(schema, {4, 2});
    std::vector<NodeId> const x_sources{3, 1, 3}, x_destinations{0, 1, 1};
    std::vector<NodeId> const y_sources{0, 1, 2, 3}, y_destinations{0, 0, 1, 1};
    builder.add_edges(RelationId{0}, test::view_of(x_sources), test::view_of(x_destinations));
    builder.add_edges(RelationId{1}, test::view_of(y_sources), test::view_of(y_destinations));
    return builder.build(HostContext{});
  }

  /// The block with what was changed.
  BlockView changed() {
    destinations[1].relations = relations;
    block.destinations = destinations;
    return block;
  }
};

}  // namespace

TEST_CASE("a relation that reads few sources has message rows for these alone",
          "[graph][compact_block]") {
  TwoRelations const two;

  CompactBlock const compact(HostContext{}, two.block);

  DestinationBlock const& b = compact.view().destinations[1];
  REQUIRE(b.relations.size() == 2);
  CHECK(b.relations[0].message_base == 0);
  CHECK(b.relations[0].message_rows == 2);
  CHECK(std::vector<NodeId>(b.relations[0].source_rows.begin(), b.relations[0].source_rows.end()) ==
        std::vector<NodeId>{1, 3});
  CHECK(b.relations[1].message_base == 2);
  CHECK(b.relations[1].message_rows == 4);
  CHECK(b.relations[1].source_rows.empty());
  CHECK(b.csr.message_rows == 6);
  // Destination 0: x from 3, y from 0 and 1. Destination 1: x from 1 and 3, y from 2 and 3.
  CHECK(std::vector<NodeId>(b.csr.cols.begin(), b.csr.cols.end()) ==
        std::vector<NodeId>{1, 2, 3, 0, 1, 4, 5});
}

TEST_CASE("a compact block has the edges of the block it was made of", "[graph][compact_block]") {
  HeteroGraph const graph = test::many_relations();
  BlockView const whole = graph.block();
  double const share = GENERATE(0.0, 0.5, 0.7, 1.0);

  CompactBlock const compact(HostContext{.threads = 2}, whole, {.share = share});

  BlockView const view = compact.view();
  REQUIRE(view.destinations.size() == whole.destinations.size());
  CHECK(std::equal(view.n_src.begin(), view.n_src.end(), whole.n_src.begin(), whole.n_src.end()));
  for (std::size_t t = 0; t < view.destinations.size(); ++t) {
    DestinationBlock const& from = whole.destinations[t];
    DestinationBlock const& to = view.destinations[t];
    CHECK(to.csr.row_offsets.data == from.csr.row_offsets.data);
    REQUIRE(to.relations.size() == from.relations.size());
    std::int64_t rows = 0;
    for (std::int32_t r = 0; r < to.csr.relations; ++r) {
      RelationBlock const& before = from.relations[static_cast<std::size_t>(r)];
      RelationBlock const& after = to.relations[static_cast<std::size_t>(r)];
      auto const read = std::ssize(sources_read(from, r));
      bool const few = static_cast<double>(read) < share * static_cast<double>(before.message_rows);
      CHECK(after.message_rows == (few ? read : before.message_rows));
      CHECK(after.message_base == rows);
      CHECK(std::is_sorted(after.source_rows.begin(), after.source_rows.end()));
      rows += after.message_rows;
      for (std::int64_t d = 0; d < to.csr.n_dst; ++d) {
        std::int64_t const row = d * to.csr.relations + r;
        for (EdgeOffset e = to.csr.row_offsets[row]; e < to.csr.row_offsets[row + 1]; ++e) {
          CHECK(source_of(after, to.csr.cols[e]) == source_of(before, from.csr.cols[e]));
        }
      }
    }
    CHECK(to.csr.message_rows == rows);
  }
}

TEST_CASE("what reads most of its sources, or selects them, stays as it is",
          "[graph][compact_block]") {
  TwoRelations two;
  CompactBlock const once(HostContext{}, two.block);

  CompactBlock const kept(HostContext{}, two.block, {.share = 0.5});  // not fewer than half
  CompactBlock const twice(HostContext{}, once.view());

  CHECK(kept.view().destinations[1].csr.cols.data == two.block.destinations[1].csr.cols.data);
  CHECK(twice.view().destinations[1].csr.cols.data == once.view().destinations[1].csr.cols.data);
  CHECK(twice.view().destinations[1].relations[0].source_rows.data ==
        once.view().destinations[1].relations[0].source_rows.data);
}

TEST_CASE("a compact block that moves keeps its contents", "[graph][compact_block]") {
  TwoRelations const two;
  CompactBlock from(HostContext{}, two.block);

  CompactBlock const to = std::move(from);

  CHECK(to.view().destinations[1].relations[0].source_rows[1] == 3);
  CHECK(to.view().destinations[1].csr.cols[0] == 1);
}

TEST_CASE("a compact block refuses rows that do not fit", "[graph][compact_block]") {
  TwoRelations two;
  std::vector<NodeId> cols(two.destinations[1].csr.cols.begin(),
                           two.destinations[1].csr.cols.end());

  SECTION("a neighbour outside the message rows") {
    cols[2] = GENERATE(-1, 8);
    two.destinations[1].csr.cols = test::view_of(cols);
    CHECK_THROWS_WITH(CompactBlock(HostContext{}, two.changed()),
                      Catch::Contains("csr.cols") && Catch::Contains("values in [0, 8)"));
  }
  SECTION("fewer relations than the csr has") {
    two.relations.pop_back();
    CHECK_THROWS_WITH(CompactBlock(HostContext{}, two.changed()),
                      Catch::Contains("relations: got 1") && Catch::Contains("expected 2"));
  }
  SECTION("relations that do not lie back to back") {
    two.relations[1].message_base = 3;
    CHECK_THROWS_WITH(CompactBlock(HostContext{}, two.changed()),
                      Catch::Contains("4 message rows from 3") && Catch::Contains("rows from 4"));
  }
  SECTION("message rows of no relation") {
    two.destinations[1].csr.message_rows = 9;
    CHECK_THROWS_WITH(CompactBlock(HostContext{}, two.changed()),
                      Catch::Contains("csr.message_rows: got 9"));
  }
}
