#include <pybind11/stl.h>

#include <mutex>
#include <utility>
#include <vector>

#include <relweave/core/parallel.hpp>
#include <relweave/sampling/neighbor.hpp>

#include "graph_arrays.hpp"

namespace relweave::python {

namespace {

/// A sampler with the graph that it draws from.
class Sampler {
 public:
  Sampler(SharedGraph graph, std::vector<std::int32_t> fanouts, bool replace)
      : graph_(std::move(graph)),
        sampler_(*graph_, {.fanouts = std::move(fanouts), .replace = replace}) {}

  /// Per type the nodes of the sample, and per layer, input side first: how many of them it reads
  /// and computes, per type, and the positions of both ends of its edges, per relation.
  py::tuple sample(std::vector<Array<NodeId>> const& seeds, std::uint64_t seed, std::uint64_t step,
                   int threads) {
    HostContext const ctx{.threads = threads};
    std::vector<VectorView<NodeId const>> views;
    for (auto const& ids : seeds) {
      views.push_back(vector_of(ids));
    }
    std::unique_lock lock(mutex_, std::defer_lock);
    {
      py::gil_scoped_release const release;
      lock.lock();
      sampler_.sample(ctx, views, seed, step, {}, blocks_);
    }
    py::list nodes;
    for (std::size_t t = 0; t < seeds.size(); ++t) {
      nodes.append(copy_of(blocks_.input_nodes(static_cast<NodeTypeId>(t))));
    }
    py::list layers;
    for (BlockView const& block : blocks_.blocks()) {
      std::vector<std::int64_t> n_dst;
      for (DestinationBlock const& destination : block.destinations) {
        n_dst.push_back(destination.csr.n_dst);
      }
      std::vector const n_src(block.n_src.begin(), block.n_src.end());
      layers.append(py::make_tuple(n_src, n_dst, edges_of(ctx, block)));
    }
    return py::make_tuple(nodes, layers);
  }

 private:
  struct Edges {
    DestinationBlock const* destination;
    std::int64_t r;  // in the destination's order
    NodeId* source;
    NodeId* target;
  };

  /// Per relation of the schema the (source, destination) of its edges.
  py::list edges_of(HostContext const& ctx, BlockView const& block) const {
    auto const relations = static_cast<std::size_t>(graph_->schema().relation_count());
    std::vector<py::tuple> arrays(relations);
    std::vector<Edges> tasks;
    for (DestinationBlock const& destination : block.destinations) {
      for (std::int64_t r = 0; r < destination.csr.relations; ++r) {
        std::int64_t const edges = count(destination.csr, r);
        Array<NodeId> source(edges), target(edges);
        tasks.push_back({&destination, r, source.mutable_data(), target.mutable_data()});
        auto const id = destination.relations[static_cast<std::size_t>(r)].relation;
        arrays[static_cast<std::size_t>(index(id))] = py::make_tuple(source, target);
      }
    }
    {
      py::gil_scoped_release const release;
      parallel_for(ctx, std::ssize(tasks),
                   [&](std::int64_t k) { fill(tasks[static_cast<std::size_t>(k)]); });
    }
    py::list result;
    for (auto const& pair : arrays) {
      result.append(pair);
    }
    return result;
  }

  static std::int64_t count(RelationCsrView<> const& csr, std::int64_t r) {
    std::int64_t edges = 0;
    for (std::int64_t row = r; row < csr.n_dst * csr.relations; row += csr.relations) {
      edges += csr.row_offsets[row + 1] - csr.row_offsets[row];
    }
    return edges;
  }

  static void fill(Edges const& edges) {
    auto const& csr = edges.destination->csr;
    auto const& relation = edges.destination->relations[static_cast<std::size_t>(edges.r)];
    std::int64_t to = 0;
    for (std::int64_t d = 0; d < csr.n_dst; ++d) {
      std::int64_t const row = d * csr.relations + edges.r;
      for (EdgeOffset e = csr.row_offsets[row]; e < csr.row_offsets[row + 1]; ++e, ++to) {
        edges.source[to] = relation.source_rows[csr.cols[e] - relation.message_base];
        edges.target[to] = static_cast<NodeId>(d);
      }
    }
  }

  SharedGraph graph_;
  sampling::NeighborSampler sampler_;
  sampling::SampledBlocks blocks_;  // buffers, reused by the next sample
  std::mutex mutex_;                // a sampler serves one caller at a time
};

}  // namespace

void bind_sampling(py::module_& m) {
  py::class_<Sampler> sampler(m, "NeighborSampler");
  refuse_pickle(sampler, "NeighborSampler", "Pickle the graph and make the sampler again.");
  sampler
      .def(py::init<SharedGraph, std::vector<std::int32_t>, bool>(), py::arg("graph"),
           py::kw_only(), py::arg("fanouts"), py::arg("replace"))
      .def("sample", &Sampler::sample, py::arg("seeds"), py::kw_only(), py::arg("seed"),
           py::arg("step"), py::arg("threads"));
}

}  // namespace relweave::python
