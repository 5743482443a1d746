#include <relweave/nn/device_block.hpp>

#include <algorithm>
#include <limits>
#include <string>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>

namespace relweave::nn {

namespace {

constexpr std::string_view here = "DeviceBlock.upload";

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

/// Where the messages of a relation lie: message row = base + source * step.
struct Place {
  std::int64_t base = 0;
  std::int64_t step = 0;
};

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
                         BlockView const& block, ops::DeviceCsrOptions const& options) {
  check(schema, block);
  auto const type_count = static_cast<std::size_t>(schema.node_type_count());
  types_.assign(type_count, {});
  std::vector<Place> place(static_cast<std::size_t>(schema.relation_count()));
  std::int64_t n_dst = 0;
  std::int64_t message_rows = 0;
  std::int64_t edges = 0;
  std::int32_t relations = 0;
  for (std::size_t t = 0; t < type_count; ++t) {
    auto const out = relations_out(schema, static_cast<NodeTypeId>(t));
    RelationCsrView<> const& csr = block.destinations[t].csr;
    types_[t] = {.n_src = block.n_src[t],
                 .n_dst = csr.n_dst,
                 .dst_base = n_dst,
                 .message_base = message_rows};
    for (std::size_t k = 0; k < out.size(); ++k) {
      place[static_cast<std::size_t>(index(out[k]))] = {message_rows + static_cast<std::int64_t>(k),
                                                        std::ssize(out)};
    }
    n_dst += csr.n_dst;
    message_rows += block.n_src[t] * std::ssize(out);
    edges += csr.cols.size;
    relations = std::max(relations, csr.relations);
  }
  if (message_rows > std::numeric_limits<NodeId>::max()) {
    raise<GraphError>(here, "block", std::to_string(message_rows) + " message rows",
                      "fewer than 2^31", "Use sampled blocks instead of the whole graph.");
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
              Place const to = place[static_cast<std::size_t>(index(relation.relation))];
              std::int64_t const limit =
                  block.n_src[static_cast<std::size_t>(index(relation.source))];
              std::int64_t const row = d * from.csr.relations + r;
              for (EdgeOffset e = from.csr.row_offsets[row]; e < from.csr.row_offsets[row + 1];
                   ++e) {
                std::int64_t source = from.csr.cols[e] - relation.message_base;
                bool inside = source >= 0 && source < relation.message_rows;
                if (inside && !relation.source_rows.empty()) {
                  source = relation.source_rows[source];
                }
                inside = inside && source >= 0 && source < limit;
                if (!inside) {
                  raise<IndexError>(
                      here, "csr.cols", std::to_string(from.csr.cols[e]),
                      "message rows of relation " + schema.full_name(relation.relation));
                }
                cols_[static_cast<std::size_t>(first_edge + e)] =
                    static_cast<NodeId>(to.base + source * to.step);
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
