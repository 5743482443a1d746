#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include <relweave/ops/top_k/top_k.hpp>

namespace relweave::ops::reference {

/// top_k_merge on one thread: sorts all candidates.
template <HostScalar T>
void top_k_merge(In<MatrixView<T const>> scores, NodeId first_column, MatrixView<NodeId> indices,
                 MatrixView<T> values) {
  using C = Compute<T>;
  struct Candidate {
    C score;
    NodeId index;
  };
  constexpr C lowest = -std::numeric_limits<C>::infinity();
  for (std::int64_t i = 0; i < scores.rows; ++i) {
    std::vector<Candidate> candidates;
    for (std::int64_t j = 0; j < indices.cols; ++j) {
      candidates.push_back({static_cast<C>(values(i, j)), indices(i, j)});
    }
    for (std::int64_t c = 0; c < scores.cols; ++c) {
      candidates.push_back({static_cast<C>(scores(i, c)), static_cast<NodeId>(first_column + c)});
    }
    std::erase_if(candidates, [](Candidate const& c) { return !(c.score > lowest); });
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](Candidate const& a, Candidate const& b) { return a.score > b.score; });
    candidates.resize(static_cast<std::size_t>(indices.cols), {lowest, -1});
    for (std::int64_t j = 0; j < indices.cols; ++j) {
      values(i, j) = static_cast<T>(candidates[static_cast<std::size_t>(j)].score);
      indices(i, j) = candidates[static_cast<std::size_t>(j)].index;
    }
  }
}

/// top_k on one thread.
template <HostScalar T>
void top_k(In<MatrixView<T const>> scores, MatrixView<NodeId> indices, MatrixView<T> values) {
  for (std::int64_t i = 0; i < scores.rows; ++i) {
    std::fill_n(indices.row_data(i), indices.cols, NodeId{-1});
    std::fill_n(values.row_data(i), values.cols, T{-std::numeric_limits<Compute<T>>::infinity()});
  }
  top_k_merge<T>(scores, 0, indices, values);
}

}  // namespace relweave::ops::reference
