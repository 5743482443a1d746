#include <algorithm>
#include <string>
#include <vector>

#include <relweave/sampling/neighbor.hpp>

#include <hetero_workloads.hpp>
#include <measure.hpp>

using namespace relweave;

namespace {

constexpr std::int64_t seeds_per_type = 1'024;
constexpr std::int32_t fanout = 10;

/// True if every destination of the first layer has as many neighbours of each relation as it may
/// have, all of them neighbours in the graph.
bool lawful(graph::HeteroGraph const& graph, sampling::SampledBlocks const& sample) {
  for (auto const& block : sample.blocks()[0].destinations) {
    auto const whole = graph.csr(block.type);
    auto const& all = graph.block().destinations[static_cast<std::size_t>(index(block.type))];
    auto const nodes = sample.input_nodes(block.type);
    for (std::int64_t row = 0; row < block.csr.n_dst * block.csr.relations; ++row) {
      auto const r = static_cast<std::size_t>(row % block.csr.relations);
      auto const& relation = block.relations[r];
      auto const sources = sample.input_nodes(relation.source);
      auto const at =
          nodes[row / block.csr.relations] * whole.relations + row % block.csr.relations;
      auto const* const first = whole.cols.begin() + whole.row_offsets[at];
      auto const* const last = whole.cols.begin() + whole.row_offsets[at + 1];
      auto const begin = block.csr.row_offsets[row];
      auto const end = block.csr.row_offsets[row + 1];
      if (end - begin != std::min<std::int64_t>(fanout, last - first)) {
        return false;
      }
      for (auto e = begin; e < end; ++e) {
        auto const message = block.csr.cols[e] - relation.message_base;
        auto const source = sources[relation.source_rows[message]];
        if (!std::binary_search(first, last, source + all.relations[r].message_base)) {
          return false;
        }
      }
    }
  }
  return true;
}

void run(benchmark::State& state, bench::HeteroWorkload const& w) {
  HostContext const ctx = bench::context_of(state);
  auto const& graph = bench::hetero_graph(w);
  auto const lists = bench::seed_nodes(w, seeds_per_type);
  std::vector<VectorView<NodeId const>> seeds;
  for (auto const& list : lists) {
    seeds.emplace_back(list.data(), std::ssize(list));
  }
  sampling::NeighborSampler sampler(graph, {.fanouts = {fanout, fanout}});
  sampling::SampledBlocks sample;
  std::uint64_t step = 0;
  sampler.sample(ctx, seeds, 1, step, {}, sample);
  if (!lawful(graph, sample)) {
    state.SkipWithError("is no sample of the graph");
    return;
  }
  double edges = 0;
  for (auto const& block : sample.blocks()) {
    for (auto const& destination : block.destinations) {
      edges += static_cast<double>(destination.csr.cols.size);
    }
  }
  for (auto _ : state) {
    sampler.sample(ctx, seeds, 1, ++step, {}, sample);
  }
  bench::report(state, "edges/s", edges);
  bench::report(state, "bytes/s", edges * 2 * sizeof(NodeId));  // out of the graph, into a block
}

[[maybe_unused]] bool const registered = [] {
  for (auto const& w : {bench::peers, bench::peers_skewed}) {
    bench::add("neighbor_sampler/cpu/" + std::string(w.name), benchmark::kMillisecond,
               [=](benchmark::State& state) { run(state, w); });
  }
  return true;
}();

}  // namespace
