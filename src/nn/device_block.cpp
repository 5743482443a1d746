#include <relweave/nn/device_block.hpp>

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/profile.hpp>
#include <relweave/graph/compact_block.hpp>

namespace relweave::nn {

namespace {

constexpr std::string_view here = "DeviceBlock.upload";

template <typename Id>
std::size_t at(Id id) {
  return static_cast<std::size_t>(index(id));
}

// Destinations whose edges one task numbers.
constexpr std::int64_t task_rows = 1024;

void check(graph::Schema const& schema, BlockView const& block) {
  auto const types = static_cast<std::size_t>(schema.node_type_count());
  if (block.destinations.size() != types || block.n_src.size() != types) {
    raise<ShapeError>(here, "block",
                      std::to_string(block.destinations.size()) + " destinations and " +
                          std::to_string(block.n_src.size()) + " source counts",
                      std::to_string(types) + " of both, one per node type");
  }
  for (std::size_t t = 0; t < types; ++t) {
    DestinationBlock const& d = block.destinations[t];
    auto const into = schema.relations_into(static_cast<NodeTypeId>(t));
    bool fits = d.relations.size() == into.size() && std::ssize(into) == d.csr.relations;
    for (std::size_t r = 0; fits && r < into.size(); ++r) {
      fits = d.relations[r].relation == into[r];
    }
    if (!fits) {
      raise<ShapeError>(here, "block.destinations[" + schema.name(static_cast<NodeTypeId>(t)) + "]",
                        "other relations", "those of the schema into this type");
    }
    expect_size(here, "csr.row_offsets", d.csr.row_offsets, d.csr.n_dst * d.csr.relations + 1);
  }
}

/// Where the messages of a relation lie: base + source * step of a concatenated type, otherwise
/// base + message row of the relation.
struct Place {
  std::int64_t base = 0;
  std::int64_t step = 0;
};

/// The messages of one relation from the sources that it reads.
void select(CudaContext const& ctx, RelationBlock const& relation, std::int64_t message_base,
            std::int64_t n_src, DeviceBlock::Selection& to) {
  std::vector<NodeId> all;
  VectorView<NodeId const> sources = relation.source_rows;
  if (sources.empty()) {
    all.resize(static_cast<std::size_t>(relation.message_rows));
    std::iota(all.begin(), all.end(), NodeId{0});
    sources = {all.data(), std::ssize(all)};
  }
  to.message_base = message_base;
  to.sources.upload(ctx, sources, n_src);
}

}  // namespace

std::vector<RelationId> relations_out(graph::Schema const& schema, NodeTypeId type) {
  std::vector<RelationId> result;
  for (std::int32_t r = 0; r < schema.relation_count(); ++r) {
    if (schema.relation(static_cast<RelationId>(r)).source == type) {
      result.push_back(static_cast<RelationId>(r));
    }
  }
  return result;
}

void DeviceBlock::upload(CudaContext const& ctx, graph::Schema const& schema,
                         BlockView const& whole, ops::DeviceCsrOptions const& options) {
  ProfileScope const profile("upload_block");
  check(schema, whole);
  graph::CompactBlock const compact(ctx.host, whole, {.share = 1});
  BlockView const block = compact.view();
  auto const type_count = static_cast<std::size_t>(schema.node_type_count());
  types_.assign(type_count, {});
  selections_.resize(static_cast<std::size_t>(schema.relation_count()));
  std::vector<Place> place(selections_.size());
  std::vector<std::int64_t> read(selections_.size());  // message rows per relation
  std::int64_t n_dst = 0;
  std::int64_t message_rows = 0;
  std::int64_t edges = 0;
  std::int32_t relations = 0;
  for (std::size_t t = 0; t < type_count; ++t) {
    RelationCsrView<> const& csr = block.destinations[t].csr;
    types_[t] = {.n_src = block.n_src[t], .n_dst = csr.n_dst, .dst_base = n_dst};
    n_dst += csr.n_dst;
    edges += csr.cols.size;
    relations = std::max(relations, csr.relations);
    for (RelationBlock const& r : block.destinations[t].relations) {
      read[at(r.relation)] = r.message_rows;
    }
  }
  for (std::size_t t = 0; t < type_count; ++t) {
    auto const out = relations_out(schema, static_cast<NodeTypeId>(t));
    std::int64_t all = types_[t].n_src * std::ssize(out);
    std::int64_t used = 0;
    for (RelationId const r : out) {
      used += read[at(r)];
    }
    types_[t].message_base = message_rows;
    types_[t].concatenated = std::ssize(out) <= 1 || 2 * used >= all;
    for (std::size_t k = 0; k < out.size(); ++k) {
      if (types_[t].concatenated) {
        place[at(out[k])] = {message_rows + static_cast<std::int64_t>(k), std::ssize(out)};
      } else {
        place[at(out[k])].base = message_rows;
        message_rows += read[at(out[k])];
      }
    }
    message_rows += types_[t].concatenated ? all : 0;
  }
  if (message_rows > std::numeric_limits<NodeId>::max()) {
    raise<GraphError>(here, "block", std::to_string(message_rows) + " message rows",
                      "fewer than 2^31", "Use sampled blocks instead of the whole graph.");
  }

  for (std::int32_t t = 0; t < schema.node_type_count(); ++t) {
    for (RelationBlock const& r : block.destinations[static_cast<std::size_t>(t)].relations) {
      if (!types_[at(r.source)].concatenated) {
        select(ctx, r, place[at(r.relation)].base, types_[at(r.source)].n_src,
               selections_[at(r.relation)]);
      }
    }
  }

  row_offsets_.resize(static_cast<std::size_t>(n_dst * relations + 1));
  cols_.resize(static_cast<std::size_t>(edges));
  row_offsets_[0] = 0;
  std::int64_t first_edge = 0;
  for (std::size_t t = 0; t < type_count; ++t) {
    DestinationBlock const& from = block.destinations[t];
    std::int64_t const first_row = types_[t].dst_base * relations;
    parallel_for_blocks(
        ctx.host, from.csr.n_dst, task_rows, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t d = begin; d < end; ++d) {
            for (std::int32_t r = 0; r < relations; ++r) {
              std::int64_t const row = d * from.csr.relations + std::min(r + 1, from.csr.relations);
              row_offsets_[static_cast<std::size_t>(first_row + d * relations + r + 1)] =
                  first_edge + from.csr.row_offsets[row];
            }
            for (std::int32_t r = 0; r < from.csr.relations; ++r) {
              RelationBlock const& relation = from.relations[static_cast<std::size_t>(r)];
              Place const& to = place[at(relation.relation)];
              std::int64_t const limit = block.n_src[at(relation.source)];
              std::int64_t const row = d * from.csr.relations + r;
              for (EdgeOffset e = from.csr.row_offsets[row]; e < from.csr.row_offsets[row + 1];
                   ++e) {
                std::int64_t const message = from.csr.cols[e] - relation.message_base;
                bool inside = message >= 0 && message < relation.message_rows;
                std::int64_t source = message;
                if (inside && !relation.source_rows.empty()) {
                  source = relation.source_rows[message];
                }
                inside = inside && source >= 0 && source < limit;
                if (!inside) {
                  raise<IndexError>(
                      here, "csr.cols", std::to_string(from.csr.cols[e]),
                      "message rows of relation " + schema.full_name(relation.relation));
                }
                cols_[static_cast<std::size_t>(first_edge + e)] =
                    static_cast<NodeId>(to.base + (to.step > 0 ? source * to.step : message));
              }
            }
          }
        });
    first_edge += from.csr.cols.size;
  }
  csr_.upload(ctx,
              {.row_offsets = {row_offsets_.data(), std::ssize(row_offsets_)},
               .cols = {cols_.data(), std::ssize(cols_)},
               .n_dst = n_dst,
               .relations = relations,
               .message_rows = message_rows},
              options);
}

}  // namespace relweave::nn
