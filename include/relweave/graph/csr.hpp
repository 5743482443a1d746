#pragma once

#include <cstdint>
#include <span>

#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave {

/// Incoming edges of all relations into one destination type: dst-major, relation-minor CSR.
/// Row `d * relations + r` holds the neighbours of destination d under the r-th relation:
/// cols[row_offsets[row] .. row_offsets[row + 1]). Each col is a row of ONE concatenated message
/// matrix that holds all (relation, source) rows back to back, so a kernel needs one base pointer.
template <Space S = Space::host>
struct RelationCsrView {
  VectorView<EdgeOffset const, S> row_offsets;  // (n_dst * relations + 1)
  VectorView<NodeId const, S> cols;             // (n_edges), values in [0, message_rows)
  std::int64_t n_dst = 0;
  std::int32_t relations = 0;
  std::int64_t message_rows = 0;
};

/// The transpose of a RelationCsrView: outgoing edges of every message row, each with its row in
/// the CSR (d * relations + r) and its slot, the position inside that row.
template <Space S = Space::host>
struct RelationCscView {
  VectorView<EdgeOffset const, S> col_offsets;  // (message_rows + 1)
  VectorView<std::int64_t const, S> csr_rows;   // (n_edges)
  VectorView<std::int32_t const, S> slots;      // (n_edges)
};

/// The messages of one relation inside a block: which source rows are transformed, and where
/// they lie in the destination type's message matrix.
struct RelationBlock {
  RelationId relation{};
  NodeTypeId source{};
  std::int64_t message_base = 0;         ///< first row in the message matrix
  std::int64_t message_rows = 0;         ///< number of rows
  VectorView<NodeId const> source_rows;  ///< row of the source type's features per message row;
                                         ///< empty means 0, 1, 2, ... (all of them)
};

/// What one layer computes for one destination type.
struct DestinationBlock {
  NodeTypeId type{};
  RelationCsrView<> csr;
  std::span<RelationBlock const> relations;  ///< csr.relations of them, in the csr's order
};

/// One bipartite layer over all types. The features of type t have n_src[t] rows, of which the
/// first destinations[t].csr.n_dst are the destinations themselves. A whole graph is the block
/// in which every node is a destination and every source is transformed; a sampled block holds
/// the unique sampled sources only.
struct BlockView {
  std::span<DestinationBlock const> destinations;  ///< one per node type, in schema order
  std::span<std::int64_t const> n_src;             ///< one per node type
};

}  // namespace relweave
