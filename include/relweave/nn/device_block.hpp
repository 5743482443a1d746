#pragma once

#include <cstdint>
#include <vector>

#include <relweave/core/config.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/graph/csr.hpp>
#include <relweave/graph/schema.hpp>
#include <relweave/ops/relation_aggregate/device_csr.hpp>

namespace relweave::nn {

/// A BlockView on a device, laid out so that one aggregation serves the whole layer and one product
/// per source type makes its messages. The destinations of all types are rows of ONE csr, type
/// after type. Each source has a message for every relation out of its type, side by side:
///   message row = message_base(type) + source * relations_out(type).size() + place of the
///   relation,
/// so that the messages of a type are the product of its features with the weights of those
/// relations, concatenated. A sampled block so makes messages that no edge reads; it saves a
/// gather, a product and a scatter per relation.
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
  std::int64_t message_base(NodeTypeId type) const { return of(type).message_base; }

 private:
  struct Type {
    std::int64_t n_src = 0;
    std::int64_t n_dst = 0;
    std::int64_t dst_base = 0;
    std::int64_t message_base = 0;
  };
  Type const& of(NodeTypeId type) const { return types_.at(static_cast<std::size_t>(index(type))); }

  std::vector<Type> types_;
  ops::DeviceCsr csr_;
  std::vector<EdgeOffset> row_offsets_;  // of the csr, before it is sent
  std::vector<NodeId> cols_;
};

/// Relations that leave `type`, ascending: the order of its messages in a DeviceBlock.
RELWEAVE_API std::vector<RelationId> relations_out(graph::Schema const& schema, NodeTypeId type);

}  // namespace relweave::nn
