#include <relweave/graph/hetero_graph.hpp>

#include <numeric>

#include <relweave/core/error.hpp>

namespace relweave::graph {

std::int64_t HeteroGraph::node_count(NodeTypeId type) const {
  schema_.name(type);  // checks the id
  return node_counts_[static_cast<std::size_t>(index(type))];
}

std::int64_t HeteroGraph::node_count() const {
  return std::accumulate(node_counts_.begin(), node_counts_.end(), std::int64_t{0});
}

std::int64_t HeteroGraph::edge_count(RelationId relation) const {
  schema_.relation(relation);  // checks the id
  return edge_counts_[static_cast<std::size_t>(index(relation))];
}

std::int64_t HeteroGraph::edge_count() const {
  return std::accumulate(edge_counts_.begin(), edge_counts_.end(), std::int64_t{0});
}

bool HeteroGraph::has_weights(RelationId relation) const {
  schema_.relation(relation);  // checks the id
  return weighted_[static_cast<std::size_t>(index(relation))];
}

RelationCsrView<> HeteroGraph::csr(NodeTypeId destination) const {
  schema_.name(destination);  // checks the id
  return destinations_[static_cast<std::size_t>(index(destination))].csr;
}

RelationCscView<> HeteroGraph::csc(NodeTypeId destination) const {
  schema_.name(destination);  // checks the id
  Incoming const& in = incoming_[static_cast<std::size_t>(index(destination))];
  return {.col_offsets = in.col_offsets.view(),
          .csr_rows = in.csr_rows.view(),
          .slots = in.slots.view()};
}

VectorView<float const> HeteroGraph::weights(NodeTypeId destination) const {
  schema_.name(destination);  // checks the id
  return incoming_[static_cast<std::size_t>(index(destination))].weights.view();
}

BlockView HeteroGraph::block() const {
  return {.destinations = destinations_, .n_src = node_counts_};
}

}  // namespace relweave::graph
