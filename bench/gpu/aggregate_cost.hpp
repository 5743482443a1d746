#pragma once

#include <graph_input.hpp>

namespace relweave::bench {

/// What the passes of relation_aggregate over all destination types move, at d features of `bytes`
/// each.
struct AggregateCost {
  GraphInput& graph;
  double d;
  double bytes;

  /// Every edge's message and col; the offsets; out; for max the self term and a slot per row
  /// with an edge and feature.
  Cost forward(Reduce reduce) const {
    bool const max = reduce == Reduce::max;
    return {.edges = graph.edges(),
            .bytes = graph.edges() * (d * bytes + 4) + 8 * csr_rows() +
                     rows() * d * bytes * (max ? 2 : 1) +
                     (max ? filled_rows() * d * graph.slot_bytes() : 0)};
  }

  /// Of every edge the gradient, the destination and, for mean, relation and degree; all messages'
  /// gradients written.
  Cost backward(Reduce reduce) const {
    double const names = reduce == Reduce::mean ? 16 : 4;
    return {.edges = graph.edges(),
            .bytes = graph.edges() * (d * bytes + names) + messages() * (d * bytes + 8)};
  }

  /// The gradient before the activation, read and written; where the winners are; a gradient for
  /// each winner; all messages' gradients written. Winners are found by the slots of its row,
  /// destination, relation and slot of every edge, or by a bit per feature, written once and read
  /// once, its place and the destination.
  Cost backward_of_max(ops::MaxBackward max_backward) const {
    double const slots = d * graph.slot_bytes();
    double const winners = max_backward == ops::MaxBackward::compare_slots
                               ? graph.edges() * (slots + 12)
                               : filled_rows() * slots + graph.edges() * (2 * d / 8 + 8 + 4);
    return {.edges = graph.edges(),
            .bytes = 3 * rows() * d * bytes + winners + filled_rows() * d * bytes +
                     messages() * (d * bytes + 8)};
  }

 private:
  double rows() const { return static_cast<double>(graph.rows()); }
  double csr_rows() const { return static_cast<double>(graph.csr_rows()); }
  double filled_rows() const { return static_cast<double>(graph.filled_rows()); }
  double messages() const { return static_cast<double>(graph.messages()); }
};

}  // namespace relweave::bench
