#include <relweave/graph/compact_block.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>

namespace relweave::graph {

namespace {

constexpr std::string_view here = "CompactBlock";

// Edges that one task numbers anew.
constexpr std::int64_t task_edges = 1 << 16;

void check(DestinationBlock const& block) {
  if (std::ssize(block.relations) != block.csr.relations) {
    raise<ShapeError>(here, "relations", std::to_string(block.relations.size()),
                      std::to_string(block.csr.relations) + ", those of the csr");
  }
  std::int64_t rows = 0;
  for (RelationBlock const& relation : block.relations) {
    if (relation.message_base != rows || relation.message_rows < 0) {
      raise<ShapeError>(here, "relations",
                        std::to_string(relation.message_rows) + " message rows from " +
                            std::to_string(relation.message_base),
                        "rows from " + std::to_string(rows) + ", where the relation before ends");
    }
    rows += relation.message_rows;
  }
  if (rows != block.csr.message_rows) {
    raise<ShapeError>(here, "csr.message_rows", std::to_string(block.csr.message_rows),
                      std::to_string(rows) + ", those of all relations");
  }
}

}  // namespace

CompactBlock::CompactBlock(HostContext const& ctx, BlockView const& block,
                           CompactBlockOptions const& options)
    : rows_(block.destinations.size()),
      destinations_(block.destinations.begin(), block.destinations.end()),
      n_src_(block.n_src.begin(), block.n_src.end()) {
  for (std::size_t t = 0; t < destinations_.size(); ++t) {
    auto const relations = destinations_[t].relations;
    if (std::any_of(relations.begin(), relations.end(), [](RelationBlock const& r) {
          return r.source_rows.empty() && r.message_rows > 0;
        })) {
      compact(ctx, options, destinations_[t], rows_[t]);
    }
  }
}

void CompactBlock::compact(HostContext const& ctx, CompactBlockOptions const& options,
                           DestinationBlock& destination, Rows& rows) {
  check(destination);
  RelationCsrView<>& csr = destination.csr;
  std::vector<bool> read(static_cast<std::size_t>(csr.message_rows));
  for (NodeId const col : csr.cols) {
    if (col < 0 || col >= csr.message_rows) {
      raise<IndexError>(here, "csr.cols", std::to_string(col),
                        "values in [0, " + std::to_string(csr.message_rows) + ")");
    }
    read[static_cast<std::size_t>(col)] = true;
  }

  rows.relations.assign(destination.relations.begin(), destination.relations.end());
  std::vector<bool> selected;
  std::int64_t selected_rows = 0;
  for (RelationBlock const& relation : rows.relations) {
    auto const first = read.begin() + relation.message_base;
    auto const used = std::count(first, first + relation.message_rows, true);
    selected.push_back(relation.source_rows.empty() &&
                       static_cast<double>(used) <
                           options.share * static_cast<double>(relation.message_rows));
    selected_rows += selected.back() ? used : 0;
  }
  if (std::find(selected.begin(), selected.end(), true) == selected.end()) {
    return;
  }

  std::vector<NodeId> number(read.size());  // of a message row, now
  rows.source_rows.reset(selected_rows);
  NodeId* source_row = rows.source_rows.data();
  std::int64_t next = 0;
  for (std::size_t r = 0; r < selected.size(); ++r) {
    RelationBlock& relation = rows.relations[r];
    NodeId const* const sources = source_row;
    std::int64_t const base = next;
    for (std::int64_t row = 0; row < relation.message_rows; ++row) {
      auto const old = static_cast<std::size_t>(relation.message_base + row);
      if (!selected[r] || read[old]) {
        number[old] = static_cast<NodeId>(next++);
      }
      if (selected[r] && read[old]) {
        *source_row++ = static_cast<NodeId>(row);
      }
    }
    relation.message_base = base;
    relation.message_rows = next - base;
    if (selected[r]) {
      relation.source_rows = {sources, source_row - sources};
    }
  }

  rows.cols.reset(csr.cols.size);
  parallel_for_blocks(ctx, csr.cols.size, task_edges, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t e = begin; e < end; ++e) {
      rows.cols.data()[e] = number[static_cast<std::size_t>(csr.cols[e])];
    }
  });
  csr.cols = rows.cols.view();
  csr.message_rows = next;
  destination.relations = rows.relations;
}

}  // namespace relweave::graph
