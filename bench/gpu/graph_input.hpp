#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <data.hpp>

#include <relweave/ops/relation_aggregate/relation_aggregate.hpp>

namespace relweave::bench {

/// A workload's graph, on the host and on the device, where it serves all cases one after the
/// other. Rows of all destination types lie back to back, and so do all messages.
class GraphInput {
 public:
  GraphInput(Bench& bench, GraphWorkload const& workload)
      : bench_(bench), graph_(make_graph({}, workload)) {
    for (auto const& destination : graph_.destinations) {
      row_bases_.push_back(rows_);
      message_bases_.push_back(messages_);
      rows_ += destination.n_dst;
      csr_rows_ += std::ssize(destination.row_offsets) - 1;
      for (std::size_t row = 1; row < destination.row_offsets.size(); ++row) {
        filled_rows_ += destination.row_offsets[row] > destination.row_offsets[row - 1] ? 1 : 0;
      }
      messages_ += destination.message_rows;
    }
  }

  WorkloadGraph const& host() const { return graph_; }
  std::size_t destinations() const { return graph_.destinations.size(); }
  double edges() const { return static_cast<double>(graph_.edges()); }
  std::int64_t rows() const { return rows_; }                // of all destinations
  std::int64_t csr_rows() const { return csr_rows_; }        // likewise, of each relation
  std::int64_t filled_rows() const { return filled_rows_; }  // those of them that have an edge
  std::int64_t messages() const { return messages_; }

  /// The rows of destination t.
  template <typename T, Space S>
  MatrixView<T, S> rows_of(std::size_t t, MatrixView<T, S> all) const {
    return all.row_slice(row_bases_[t], graph_.destinations[t].n_dst);
  }
  template <typename T, Space S>
  MatrixView<T, S> messages_of(std::size_t t, MatrixView<T, S> all) const {
    return all.row_slice(message_bases_[t], graph_.destinations[t].message_rows);
  }

  ops::DeviceCsr const& csr(std::size_t t, ops::MaxBackward max_backward) {
    auto& uploaded = max_backward == ops::MaxBackward::win_mask ? with_mask_ : plain_;
    if (uploaded.empty()) {
      std::vector<std::unique_ptr<ops::DeviceCsr>> all;  // there may be no room for some
      for (auto const& destination : graph_.destinations) {
        all.push_back(
            std::make_unique<ops::DeviceCsr>(bench_.context(), destination.view(),
                                             ops::DeviceCsrOptions{.max_backward = max_backward}));
      }
      synchronize(bench_.context());
      uploaded = std::move(all);
    }
    return *uploaded[t];
  }

  /// Bytes per slot of a winner, the widest of all destinations.
  double slot_bytes() {
    EdgeOffset largest = 0;
    for (std::size_t t = 0; t < destinations(); ++t) {
      largest = std::max(largest, csr(t, ops::MaxBackward::compare_slots).largest_degree());
    }
    return largest <= 0xFE ? 1 : largest <= 0xFFFE ? 2 : 4;
  }

 private:
  Bench& bench_;
  WorkloadGraph graph_;
  std::vector<std::int64_t> row_bases_, message_bases_;
  std::int64_t rows_ = 0, csr_rows_ = 0, filled_rows_ = 0, messages_ = 0;
  std::vector<std::unique_ptr<ops::DeviceCsr>> plain_, with_mask_;
};

}  // namespace relweave::bench
