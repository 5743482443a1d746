#pragma once

#include <cstdint>
#include <vector>

#include <relweave/core/config.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/graph/csr.hpp>
#include <relweave/graph/schema.hpp>
#include <relweave/ops/gather_rows/device_indices.hpp>
#include <relweave/ops/relation_aggregate/device_csr.hpp>

namespace relweave::nn {

/// A BlockView on a device, laid out so that one aggregation serves the whole layer. The
/// destinations of all types are rows of ONE csr, type after type. Messages of a source type are
///  - concatenated: each source has one for every relation out of the type, side by side,
///    message row = message_base(type) + source * relations_out(type).size() + place of the
///    relation, so that they are the product of the type's features with the weights of those
///    relations side by side; or
///  - selected, where fewer than half of these would be read: each relation has messages of the
///    sources that it reads, from rows gathered for it, back to back.
class RELWEAVE_API DeviceBlock {
 public:
  DeviceBlock() = default;
  DeviceBlock(CudaContext const& ctx, graph::Schema const& schema, BlockView const& block,
              ops::DeviceCsrOptions const& options = {}) {
    upload(ctx, schema, block, options);
  }

  /// Replaces the contents, on the context's stream; allocates only to grow. `block` may change
  /// when this returns.
  /// Throws ShapeError when the block is not of the schema, IndexError for an edge that leaves it,
  /// GraphError for 2^31 message rows or more; as DeviceCsr.
  void upload(CudaContext const& ctx, graph::Schema const& schema, BlockView const& block,
              ops::DeviceCsrOptions const& options = {});

  ops::DeviceCsr const& csr() const { return csr_; }
  std::int64_t n_dst() const { return csr_.view().n_dst; }
  std::int64_t n_dst(NodeTypeId type) const { return of(type).n_dst; }
  std::int64_t n_src(NodeTypeId type) const { return of(type).n_src; }
  /// First row of a type's destinations in the csr.
  std::int64_t dst_base(NodeTypeId type) const { return of(type).dst_base; }
  bool concatenated(NodeTypeId type) const { return of(type).concatenated; }
  /// Of a concatenated type.
  std::int64_t message_base(NodeTypeId type) const { return of(type).message_base; }

  /// The messages of a relation out of a type that is not concatenated.
  struct Selection {
    std::int64_t message_base = 0;
    ops::DeviceIndices sources;  ///< rows of the source type's features
  };
  Selection const& selection(RelationId relation) const {
    return selections_.at(static_cast<std::size_t>(index(relation)));
  }

 private:
  struct Type {
    std::int64_t n_src = 0;
    std::int64_t n_dst = 0;
    std::int64_t dst_base = 0;
    std::int64_t message_base = 0;
    bool concatenated = true;
  };
  Type const& of(NodeTypeId type) const { return types_.at(static_cast<std::size_t>(index(type))); }

  std::vector<Type> types_;
  std::vector<Selection> selections_;  // per relation
  ops::DeviceCsr csr_;
  std::vector<EdgeOffset> row_offsets_;  // of the csr, before it is sent
  std::vector<NodeId> cols_;
};

/// Relations that leave `type`, ascending: the order of its messages in a DeviceBlock.
RELWEAVE_API std::vector<RelationId> relations_out(graph::Schema const& schema, NodeTypeId type);

}  // namespace relweave::nn
