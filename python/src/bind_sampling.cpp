#include <pybind11/stl.h>

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include <relweave/core/parallel.hpp>
#include <relweave/core/simd.hpp>
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
  /// The edges of one relation into some destinations.
  struct Edges {
    DestinationBlock const* destination;
    std::int64_t r;  // in the destination's order
    std::int64_t begin;
    std::int64_t end;
    std::int64_t count;
    NodeId* source;
    NodeId* target;
  };
  static constexpr std::int64_t destinations_per_task = 4096;

  /// Per relation of the schema the (source, destination) of its edges.
  py::list edges_of(HostContext const& ctx, BlockView const& block) const {
    std::vector<std::vector<Edges>> relations;  // of the schema
    relations.resize(static_cast<std::size_t>(graph_->schema().relation_count()));
    auto const parts_of = [&](DestinationBlock const& destination, std::int64_t r) -> auto& {
      auto const id = destination.relations[static_cast<std::size_t>(r)].relation;
      return relations[static_cast<std::size_t>(index(id))];
    };
    for (DestinationBlock const& destination : block.destinations) {
      for (std::int64_t r = 0; r < destination.csr.relations; ++r) {
        auto& parts = parts_of(destination, r);
        for (std::int64_t begin = 0; begin < destination.csr.n_dst;) {
          auto const end = std::min(begin + destinations_per_task, destination.csr.n_dst);
          parts.push_back({.destination = &destination, .r = r, .begin = begin, .end = end});
          begin = end;
        }
      }
    }
    // In the order of destinations, in which they were drawn: threads find what they wrote.
    std::vector<Edges*> tasks;
    for (DestinationBlock const& destination : block.destinations) {
      for (std::int64_t begin = 0; begin < destination.csr.n_dst; begin += destinations_per_task) {
        for (std::int64_t r = 0; r < destination.csr.relations; ++r) {
          auto const part = static_cast<std::size_t>(begin / destinations_per_task);
          tasks.push_back(&parts_of(destination, r)[part]);
        }
      }
    }
    auto const each_task = [&](auto const& fn) {
      py::gil_scoped_release const release;
      parallel_for(ctx, std::ssize(tasks),
                   [&](std::int64_t k) { fn(*tasks[static_cast<std::size_t>(k)]); });
    };
    each_task([](Edges& edges) { edges.count = count(edges); });
    std::int64_t total = 0;
    for (Edges const* edges : tasks) {
      total += edges->count;
    }
    Array<NodeId> ends(2 * total);  // of all relations: one large array has larger pages
    NodeId* to = ends.mutable_data();
    py::list result;
    for (auto& parts : relations) {
      std::int64_t edges_of_relation = 0;
      for (Edges& edges : parts) {
        edges.source = to + std::exchange(edges_of_relation, edges_of_relation + edges.count);
      }
      for (Edges& edges : parts) {
        edges.target = edges.source + edges_of_relation;
      }
      result.append(py::make_tuple(Array<NodeId>(edges_of_relation, to, ends),
                                   Array<NodeId>(edges_of_relation, to + edges_of_relation, ends)));
      to += 2 * edges_of_relation;
    }
    each_task(fill);
    return result;
  }

  static std::int64_t count(Edges const& edges) {
    auto const& csr = edges.destination->csr;
    std::int64_t total = 0;
    for (std::int64_t d = edges.begin; d < edges.end; ++d) {
      std::int64_t const row = d * csr.relations + edges.r;
      total += csr.row_offsets[row + 1] - csr.row_offsets[row];
    }
    return total;
  }

  static void fill(Edges const& edges) {
    auto const& csr = edges.destination->csr;
    auto const& relation = edges.destination->relations[static_cast<std::size_t>(edges.r)];
    NodeId const* const place_of = relation.source_rows.data - relation.message_base;
    std::int64_t const rows = csr.n_dst * csr.relations;
    NodeId* source = edges.source;
    NodeId* target = edges.target;
    for (std::int64_t d = edges.begin; d < edges.end; ++d) {
      std::int64_t const row = d * csr.relations + edges.r;
      // Rows of other relations lie in between, so the processor does not fetch ahead by itself.
      simd::prefetch(csr.cols.data + csr.row_offsets[std::min(row + 16 * csr.relations, rows)], 64);
      for (EdgeOffset e = csr.row_offsets[row]; e < csr.row_offsets[row + 1]; ++e) {
        *source++ = place_of[csr.cols[e]];
        *target++ = static_cast<NodeId>(d);
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
