#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <tuple>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/core/random.hpp>
#include <relweave/sampling/neighbor.hpp>

#include "support/instruction_sets.hpp"
#include "support/sample_graph.hpp"

using namespace relweave;
using sampling::NeighborSampler;
using sampling::SampledBlocks;

namespace {

/// Source nodes of every row, as (relation, destination node) -> sources, ascending.
using Rows = std::map<std::pair<std::int32_t, NodeId>, std::vector<NodeId>>;

/// The seed list of each type, as the sampler takes them.
struct Seeds {
  std::vector<std::vector<NodeId>> nodes;
  std::vector<VectorView<NodeId const>> views;

  Seeds(std::initializer_list<std::vector<NodeId>> lists) : Seeds(std::vector(lists)) {}
  explicit Seeds(std::vector<std::vector<NodeId>> lists) : nodes(std::move(lists)) {
    for (auto const& n : nodes) {
      views.push_back(test::view_of(n));
    }
  }
};

Rows rows_of(test::SampleGraph const& graph) {
  Rows rows;
  for (std::size_t r = 0; r < graph.edges.size(); ++r) {
    for (std::size_t e = 0; e < graph.edges[r].source.size(); ++e) {
      rows[{static_cast<std::int32_t>(r), graph.edges[r].destination[e]}].push_back(
          graph.edges[r].source[e]);
    }
  }
  for (auto& [key, sources] : rows) {
    std::sort(sources.begin(), sources.end());
  }
  return rows;
}

/// What layer l of the sample says, in ids of the graph. Sources of later layers are the first
/// input nodes, because destinations come first in every list.
Rows rows_of(SampledBlocks const& blocks, std::size_t layer) {
  Rows rows;
  for (DestinationBlock const& d : blocks.blocks()[layer].destinations) {
    auto const r_count = d.csr.relations;
    auto const destinations = blocks.input_nodes(d.type);
    for (std::int64_t row = 0; row < d.csr.n_dst * r_count; ++row) {
      RelationBlock const& relation = d.relations[static_cast<std::size_t>(row % r_count)];
      auto const sources = blocks.input_nodes(relation.source);
      for (EdgeOffset e = d.csr.row_offsets[row]; e < d.csr.row_offsets[row + 1]; ++e) {
        std::int64_t const message = d.csr.cols[e] - relation.message_base;
        REQUIRE((message >= 0 && message < relation.message_rows));
        rows[{index(relation.relation), destinations[row / r_count]}].push_back(
            sources[relation.source_rows[message]]);
      }
    }
  }
  return rows;
}

/// Everything in the blocks as plain numbers, to compare two samples bit by bit.
std::vector<std::int64_t> flat(SampledBlocks const& blocks) {
  std::vector<std::int64_t> all;
  auto const append = [&](auto const& range) { all.insert(all.end(), range.begin(), range.end()); };
  for (BlockView const& block : blocks.blocks()) {
    append(block.n_src);
    for (DestinationBlock const& d : block.destinations) {
      append(d.csr.row_offsets);
      append(d.csr.cols);
      all.push_back(d.csr.message_rows);
      append(blocks.input_nodes(d.type));
      for (RelationBlock const& r : d.relations) {
        all.push_back(r.message_base);
        append(r.source_rows);
      }
    }
  }
  return all;
}

bool contains(std::vector<NodeId> const& all, std::vector<NodeId> const& some) {
  return std::includes(all.begin(), all.end(), some.begin(), some.end());
}

Seeds const some_seeds{{0, 3, 29}, {7, 0, 49}, {5}};

}  // namespace

TEST_CASE("a fanout above every degree gives the graph's own rows", "[sampling][neighbor]") {
  test::SampleGraph const random;
  auto const graph = random.build();
  NeighborSampler sampler(graph, {.fanouts = {sampling::all_neighbors, 1000}});
  SampledBlocks blocks;

  sampler.sample({}, some_seeds.views, 1, 0, {}, blocks);

  Rows const expected = rows_of(random);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    for (DestinationBlock const& d : blocks.blocks()[layer].destinations) {
      auto const nodes = blocks.input_nodes(d.type).slice(0, d.csr.n_dst);
      Rows const got = rows_of(blocks, layer);
      for (RelationBlock const& r : d.relations) {
        for (NodeId const node : nodes) {
          std::pair const key(index(r.relation), node);
          CHECK((got.contains(key) ? got.at(key) : std::vector<NodeId>{}) ==
                (expected.contains(key) ? expected.at(key) : std::vector<NodeId>{}));
        }
      }
    }
  }
}

TEST_CASE("rows are subsets of the graph's, of the size of the fanout", "[sampling][neighbor]") {
  test::SampleGraph const random;
  auto const graph = random.build();
  NeighborSampler sampler(graph, {.fanouts = {4, 3, 2}});
  SampledBlocks blocks;
  Rows const all = rows_of(random);

  for (std::uint64_t step = 0; step < 50; ++step) {
    sampler.sample({}, some_seeds.views, 1, step, {}, blocks);

    std::int64_t const fanouts[] = {4, 3, 2};
    for (std::size_t layer = 0; layer < 3; ++layer) {
      for (auto const& [key, sources] : rows_of(blocks, layer)) {
        CHECK(contains(all.at(key), sources));  // as multisets: without replacement
        CHECK(std::ssize(sources) == std::min(std::ssize(all.at(key)), fanouts[layer]));
      }
    }
  }
}

TEST_CASE("destinations come first, sources and message rows are unique", "[sampling][neighbor]") {
  auto const graph = test::SampleGraph().build();
  NeighborSampler sampler(graph, {.fanouts = {4, 3}});
  SampledBlocks blocks;

  sampler.sample({}, some_seeds.views, 1, 0, {}, blocks);

  REQUIRE(blocks.blocks().size() == 2);
  auto const& first = blocks.blocks()[0];
  auto const& last = blocks.blocks()[1];
  for (std::size_t t = 0; t < 3; ++t) {
    auto const input = blocks.input_nodes(static_cast<NodeTypeId>(t));
    auto const& seeds = some_seeds.nodes[t];
    CHECK(std::equal(seeds.begin(), seeds.end(), input.begin()));
    CHECK(std::set<NodeId>(input.begin(), input.end()).size() ==
          static_cast<std::size_t>(input.size));
    CHECK(input.size == first.n_src[t]);
    CHECK(first.destinations[t].csr.n_dst == last.n_src[t]);
    CHECK(last.destinations[t].csr.n_dst == std::ssize(seeds));
    for (auto const* block : {&first, &last}) {
      DestinationBlock const& d = block->destinations[t];
      std::set<NodeId> const used(d.csr.cols.begin(), d.csr.cols.end());
      CHECK(std::ssize(used) == d.csr.message_rows);  // no message without an edge
      for (RelationBlock const& r : d.relations) {
        std::set<NodeId> const rows(r.source_rows.begin(), r.source_rows.end());
        CHECK(std::ssize(rows) == r.message_rows);
        CHECK((rows.empty() ||
               *rows.rbegin() < block->n_src[static_cast<std::size_t>(index(r.source))]));
      }
    }
  }
}

TEST_CASE("few or most sources of a large relation are found once", "[sampling][neighbor]") {
  constexpr NodeId nodes = 3'000;  // not a multiple of a line of flags
  graph::HeteroGraphBuilder builder({{"n"}, {{NodeTypeId{0}, "to", NodeTypeId{0}}}}, {nodes});
  std::vector<NodeId> source, destination;
  Rows expected;
  RandomStream random(5, Purpose::test, 0);
  for (NodeId node = 0; node < nodes; ++node) {
    for (int e = 0; e < 4; ++e) {
      source.push_back(static_cast<NodeId>(random.below(nodes)));
      destination.push_back(node);
      expected[{0, node}].push_back(source.back());
    }
    std::sort(expected[{0, node}].begin(), expected[{0, node}].end());
  }
  builder.add_edges(RelationId{0}, test::view_of(source), test::view_of(destination));
  auto const graph = builder.build({});
  NeighborSampler sampler(graph, {.fanouts = {sampling::all_neighbors}});
  SampledBlocks blocks;

  for (NodeId const n : {5, 3'000, 187, 188, 1, 900, 5}) {  // 187: below a quarter of the messages
    std::vector<NodeId> seeds(static_cast<std::size_t>(n));
    std::iota(seeds.begin(), seeds.end(), nodes - n);

    sampler.sample({}, Seeds{seeds}.views, 1, 0, {}, blocks);

    Rows wanted;
    std::set<NodeId> wanted_sources;
    for (NodeId const node : seeds) {
      wanted[{0, node}] = expected[{0, node}];
      wanted_sources.insert(wanted[{0, node}].begin(), wanted[{0, node}].end());
    }
    CHECK(rows_of(blocks, 0) == wanted);
    RelationBlock const& relation = blocks.blocks()[0].destinations[0].relations[0];
    std::set<NodeId> found;
    for (std::int64_t row = 0; row < relation.message_rows; ++row) {
      found.insert(blocks.input_nodes(NodeTypeId{0})[relation.source_rows[row]]);
    }
    CHECK(found == wanted_sources);
    CHECK(std::ssize(found) == relation.message_rows);
  }
}

TEST_CASE("every neighbour, and every pair of them, is equally likely", "[sampling][neighbor]") {
  graph::HeteroGraphBuilder builder({{"n"}, {{NodeTypeId{0}, "to", NodeTypeId{0}}}}, {12});
  std::vector<NodeId> source(12);
  std::iota(source.begin(), source.end(), 0);
  builder.add_edges(RelationId{0}, test::view_of(source),
                    test::view_of(std::vector<NodeId>(12, 0)));
  auto const graph = builder.build({});
  NeighborSampler sampler(graph, {.fanouts = {4}});
  SampledBlocks blocks;
  Seeds const hub{{0}};
  constexpr int steps = 20'000;
  int pairs[12][12] = {};

  for (std::uint64_t step = 0; step < steps; ++step) {
    sampler.sample({}, hub.views, 7, step, {}, blocks);
    auto const row = rows_of(blocks, 0).at({0, 0});
    for (NodeId const a : row) {
      for (NodeId const b : row) {
        ++pairs[a][b];
      }
    }
  }

  for (int a = 0; a < 12; ++a) {
    for (int b = 0; b < 12; ++b) {
      double const p = a == b ? 4.0 / 12 : 4.0 * 3 / (12 * 11);
      double const sigma = std::sqrt(steps * p * (1 - p));
      CHECK(pairs[a][b] == Approx(steps * p).margin(4.5 * sigma));
    }
  }
}

TEST_CASE("hubs of any degree are drawn from evenly", "[sampling][neighbor]") {
  std::int64_t const degree = GENERATE(64, 2048, 2049, 50'000);  // at and beyond the bit mask
  graph::HeteroGraphBuilder builder({{"hub", "n"}, {{NodeTypeId{1}, "to", NodeTypeId{0}}}},
                                    {1, degree});
  std::vector<NodeId> source(static_cast<std::size_t>(degree));
  std::iota(source.begin(), source.end(), 0);
  std::vector<NodeId> const destination(source.size(), 0);
  builder.add_edges(RelationId{0}, test::view_of(source), test::view_of(destination));
  auto const graph = builder.build({});
  NeighborSampler sampler(graph, {.fanouts = {50}});
  SampledBlocks blocks;
  Seeds const hub{{0}, {}};
  constexpr int steps = 2000;
  int parts[8] = {};  // draws from each eighth of the neighbours

  for (std::uint64_t step = 0; step < steps; ++step) {
    sampler.sample({}, hub.views, 7, step, {}, blocks);
    auto const row = rows_of(blocks, 0).at({0, 0});
    REQUIRE(row.size() == 50);
    REQUIRE(std::adjacent_find(row.begin(), row.end(), std::greater_equal<>()) == row.end());
    for (NodeId const source_node : row) {
      ++parts[source_node * 8 / degree];
    }
  }

  for (int const part : parts) {  // at most binomial: sigma is 105
    CHECK(part == Approx(steps * 50 / 8).margin(5 * std::sqrt(steps * 50 * 7.0 / 64)));
  }
}

TEST_CASE("a row is what Floyd's algorithm makes of its stream", "[sampling][neighbor]") {
  std::int64_t const degree = GENERATE(21, 60, 64, 65, 2049);
  graph::HeteroGraphBuilder builder({{"hub", "n"}, {{NodeTypeId{1}, "to", NodeTypeId{0}}}},
                                    {70, degree});
  std::vector<NodeId> source, destination;
  for (NodeId hub = 0; hub < 70; ++hub) {  // more than one batch and its rest
    for (NodeId n = 0; n < degree; ++n) {
      source.push_back(n);
      destination.push_back(hub);
    }
  }
  builder.add_edges(RelationId{0}, test::view_of(source), test::view_of(destination));
  auto const graph = builder.build({});
  constexpr std::int64_t fanout = 20;
  NeighborSampler sampler(graph, {.fanouts = {fanout}});
  SampledBlocks blocks;
  std::vector<NodeId> hubs(70);
  std::iota(hubs.begin(), hubs.end(), 0);
  Seeds const seeds{hubs, {}};
  constexpr std::uint64_t seed = 7;
  // In the last of these steps, a row of 60 rejects a number, once in 100 million draws.
  std::uint64_t const step = GENERATE(0U, 1U, 19'122'071U);
  Isa const isa = GENERATE(from_range(test::instruction_sets()));

  sampler.sample({.isa = isa}, seeds.views, seed, step, {}, blocks);

  auto const rows = rows_of(blocks, 0);
  std::uint64_t const of_step = RandomStream(seed, Purpose::neighbor_sampling, step).next64();
  std::uint64_t const of_layer = RandomStream(of_step, Purpose::neighbor_sampling, 0).next64();
  for (NodeId const hub : hubs) {
    RandomStream random(of_layer, Purpose::neighbor_sampling, static_cast<std::uint64_t>(hub));
    std::set<NodeId> expected;
    for (auto last = static_cast<NodeId>(degree - fanout); last < degree; ++last) {
      auto const pick = static_cast<NodeId>(random.below(static_cast<std::uint32_t>(last) + 1));
      expected.insert(expected.contains(pick) ? last : pick);
    }
    CHECK(rows.at({0, hub}) == std::vector<NodeId>(expected.begin(), expected.end()));
  }
}

TEST_CASE("replacement draws the fanout from any nonempty row", "[sampling][neighbor]") {
  test::SampleGraph const random;
  auto const graph = random.build();
  NeighborSampler sampler(graph, {.fanouts = {7}, .replace = true});
  SampledBlocks blocks;
  Rows const all = rows_of(random);
  bool repeated = false;

  sampler.sample({}, some_seeds.views, 1, 0, {}, blocks);

  for (auto const& [key, sources] : rows_of(blocks, 0)) {
    CHECK(sources.size() == 7);
    CHECK(std::is_sorted(sources.begin(), sources.end()));
    for (NodeId const s : sources) {
      CHECK(std::binary_search(all.at(key).begin(), all.at(key).end(), s));
    }
    repeated = repeated || !contains(all.at(key), sources);
  }
  CHECK(repeated);
}

TEST_CASE("relations have fanouts of their own", "[sampling][neighbor]") {
  test::SampleGraph const random;
  auto const graph = random.build();
  NeighborSampler sampler(graph, {.fanouts = {2, 2}, .relation_fanouts = {{}, {1, 0, 3, 0, 5}}});
  SampledBlocks blocks;
  Rows const all = rows_of(random);

  sampler.sample({}, some_seeds.views, 1, 0, {}, blocks);

  std::int64_t const fanouts[] = {1, 0, 3, 0, 5};
  for (auto const& [key, sources] : rows_of(blocks, 1)) {
    CHECK(std::ssize(sources) == std::min(std::ssize(all.at(key)), fanouts[key.first]));
  }
  for (auto const& [key, sources] : rows_of(blocks, 0)) {
    CHECK(std::ssize(sources) == std::min<std::int64_t>(std::ssize(all.at(key)), 2));
  }
}

TEST_CASE("excluded links carry no message in either direction", "[sampling][neighbor]") {
  test::SampleGraph const random;
  auto const graph = random.build();
  std::int64_t const fanout = GENERATE(2, 1000);
  NeighborSampler sampler(
      graph, {.fanouts = {static_cast<std::int32_t>(fanout), static_cast<std::int32_t>(fanout)}});
  SampledBlocks blocks;
  // (b 7, a 0), (a 3, a 3), (a 0, b 12), an absent link; ids over all types: a from 0, b from 30
  std::vector<NodeId> const a{37, 3, 0, 99};
  std::vector<NodeId> const b{0, 3, 42, 1};
  auto allowed = rows_of(random);
  for (auto& [key, sources] : allowed) {
    graph::Relation const& relation = random.schema.relation(static_cast<RelationId>(key.first));
    NodeId const base[] = {0, 30, 80};
    NodeId const d = base[index(relation.destination)] + key.second;
    std::erase_if(sources, [&](NodeId s) {
      NodeId const global = base[index(relation.source)] + s;
      for (std::size_t k = 0; k < a.size(); ++k) {
        if ((a[k] == d && b[k] == global) || (b[k] == d && a[k] == global)) {
          return true;
        }
      }
      return false;
    });
  }

  for (std::uint64_t step = 0; step < 20; ++step) {
    sampler.sample({}, some_seeds.views, 1, step,
                   {.excluded = {test::view_of(a), test::view_of(b)}}, blocks);

    for (std::size_t layer = 0; layer < 2; ++layer) {
      for (auto const& [key, sources] : rows_of(blocks, layer)) {
        CHECK(contains(allowed.at(key), sources));
        CHECK(std::ssize(sources) == std::min(std::ssize(allowed.at(key)), fanout));
      }
    }
  }
}

TEST_CASE("dropped nodes lose all neighbours of all layers", "[sampling][neighbor]") {
  test::SampleGraph const random;
  auto const graph = random.build();
  NeighborSampler sampler(graph, {.fanouts = {3, 3}});
  SampledBlocks blocks;
  std::vector<NodeId> everyone(24);  // those of type a that have neighbours
  std::iota(everyone.begin(), everyone.end(), 0);
  Seeds const seeds{everyone, {}, {}};
  int with_edges = 0;

  for (std::uint64_t step = 0; step < 200; ++step) {
    sampler.sample({}, seeds.views, 1, step, {.node_drop = 0.25F}, blocks);
    std::set<NodeId> heard[2];
    for (std::size_t layer = 0; layer < 2; ++layer) {
      for (auto const& [key, sources] : rows_of(blocks, layer)) {
        if (key.first < 2) {
          heard[layer].insert(key.second);
        }
      }
    }
    with_edges += static_cast<int>(heard[1].size());
    CHECK(std::includes(heard[0].begin(), heard[0].end(), heard[1].begin(), heard[1].end()));
    for (NodeId const node : everyone) {  // dropped in one layer, dropped in the other
      CHECK(heard[0].contains(node) == heard[1].contains(node));
    }
  }
  sampler.sample({}, some_seeds.views, 1, 0, {.node_drop = 1.0F}, blocks);

  CHECK(with_edges == Approx(200 * 24 * 0.75).margin(5 * std::sqrt(200 * 24 * 0.75 * 0.25)));
  CHECK(blocks.input_nodes(NodeTypeId{0}).size == 3);
  CHECK(blocks.blocks()[0].destinations[0].csr.cols.empty());
}

TEST_CASE("samples are the same bits for any number of threads", "[sampling][neighbor]") {
  auto const graph = test::SampleGraph().build();
  std::vector<NodeId> all_a(30);
  std::iota(all_a.begin(), all_a.end(), 0);
  std::vector<NodeId> all_b(50);
  std::iota(all_b.rbegin(), all_b.rend(), 0);
  Seeds const seeds{all_a, all_b, {}};
  NeighborSampler one(graph, {.fanouts = {3, 3}});
  NeighborSampler other(graph, {.fanouts = {3, 3}});
  SampledBlocks a;
  SampledBlocks b;

  one.sample({.threads = 1}, seeds.views, 5, 9, {.node_drop = 0.1F}, a);
  int const threads = GENERATE(1, 2, 3);
  other.sample({}, some_seeds.views, 5, 8, {}, b);  // what was before leaves no trace
  other.sample({.threads = threads}, seeds.views, 5, 9, {.node_drop = 0.1F}, b);

  CHECK(flat(a) == flat(b));
  other.sample({.threads = threads}, seeds.views, 5, 10, {.node_drop = 0.1F}, b);
  CHECK(flat(a) != flat(b));
}

TEST_CASE("a row does not depend on the other seeds", "[sampling][neighbor]") {
  auto const graph = test::SampleGraph().build();
  NeighborSampler sampler(graph, {.fanouts = {3}});
  SampledBlocks blocks;

  sampler.sample({}, some_seeds.views, 5, 9, {}, blocks);
  auto const together = rows_of(blocks, 0).at({1, 0});
  sampler.sample({}, Seeds{{0}, {}, {}}.views, 5, 9, {}, blocks);

  CHECK(rows_of(blocks, 0).at({1, 0}) == together);
}

TEST_CASE("no seeds give empty blocks", "[sampling][neighbor]") {
  auto const graph = test::SampleGraph().build();
  NeighborSampler sampler(graph, {.fanouts = {3, 3}});
  SampledBlocks blocks;

  sampler.sample({}, Seeds{{}, {}, {}}.views, 5, 9, {}, blocks);

  CHECK(blocks.blocks().size() == 2);
  CHECK(blocks.input_nodes(NodeTypeId{1}).empty());
}

TEST_CASE("what the sampler refuses", "[sampling][neighbor]") {
  auto const graph = test::SampleGraph().build();
  using Config = sampling::NeighborSamplerConfig;
  CHECK_THROWS_AS(NeighborSampler(graph, Config{}), ConfigError);
  CHECK_THROWS_AS(NeighborSampler(graph, Config{.fanouts = {3, -1}}), ConfigError);
  CHECK_THROWS_AS(
      NeighborSampler(graph, Config{.fanouts = {sampling::all_neighbors}, .replace = true}),
      ConfigError);
  CHECK_THROWS_AS(NeighborSampler(graph, Config{.fanouts = {3}, .relation_fanouts = {{}, {}}}),
                  ShapeError);
  CHECK_THROWS_AS(NeighborSampler(graph, Config{.fanouts = {3}, .relation_fanouts = {{1, 2}}}),
                  ShapeError);

  NeighborSampler sampler(graph, {.fanouts = {3}});
  SampledBlocks blocks;
  CHECK_THROWS_AS(blocks.input_nodes(NodeTypeId{0}), IndexError);
  auto const sample = [&](std::vector<std::vector<NodeId>> seeds,
                          sampling::SampleOptions const& options) {
    sampler.sample({}, Seeds(std::move(seeds)).views, 1, 0, options, blocks);
  };
  std::vector<NodeId> const one{1};
  std::vector<NodeId> const far{100};
  CHECK_THROWS_AS(sample({{0}, {1}}, {}), ShapeError);
  CHECK_THROWS_AS(sample({{30}, {}, {}}, {}), IndexError);
  CHECK_THROWS_AS(sample({{}, {-1}, {}}, {}), IndexError);
  CHECK_THROWS_AS(sample({{}, {}, {}}, {.node_drop = 1.5F}), ConfigError);
  CHECK_THROWS_AS(sample({{}, {}, {}}, {.excluded = {test::view_of(one), {}}}), ShapeError);
  CHECK_THROWS_AS(sample({{}, {}, {}}, {.excluded = {test::view_of(one), test::view_of(far)}}),
                  IndexError);
  CHECK_THROWS_WITH(sample({{2, 1}, {4, 5, 4}, {}}, {}), Catch::Contains("node 4 of type b twice"));
  CHECK_NOTHROW(sample({{2, 1}, {4, 5}, {}}, {}));  // a refused sample leaves nothing behind
}
