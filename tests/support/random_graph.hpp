#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/random.hpp>
#include <relweave/graph/csr.hpp>

namespace relweave::test {

/// Uniform in [-1, 1), the same for float and double up to rounding.
template <typename T>
Matrix<T> random_matrix(std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
  Matrix<T> m(rows, cols);
  RandomStream random(seed, Purpose::test, 1);
  std::generate_n(m.data(), rows * cols, [&] { return static_cast<T>(2 * random.uniform() - 1); });
  return m;
}

/// `count` indices in [0, limit), with repeats.
inline std::vector<NodeId> random_indices(std::int64_t count, std::int64_t limit,
                                          std::uint64_t seed) {
  std::vector<NodeId> indices(static_cast<std::size_t>(count));
  RandomStream random(seed, Purpose::test, 2);
  for (NodeId& index : indices) {
    index = static_cast<NodeId>(random.below(static_cast<std::uint32_t>(limit)));
  }
  return indices;
}

template <typename T>
VectorView<T const> view_of(std::vector<T> const& values) {
  return {values.data(), std::ssize(values)};
}

/// A matrix whose rows lie further apart than they are long; the gaps hold a marker that `intact`
/// looks for.
template <typename T>
class StridedMatrix {
 public:
  StridedMatrix(std::int64_t rows, std::int64_t cols, std::int64_t gap)
      : storage_(rows, cols + gap), cols_(cols) {
    std::fill_n(storage_.data(), rows * (cols + gap), marker);
  }
  StridedMatrix(MatrixView<T const> values, std::int64_t gap)
      : StridedMatrix(values.rows, values.cols, gap) {
    for (std::int64_t r = 0; r < values.rows; ++r) {
      std::copy_n(values.row_data(r), values.cols, view().row_data(r));
    }
  }

  MatrixView<T> view() { return storage_.view().col_slice(0, cols_); }

  bool intact() {
    auto const gaps = storage_.view().col_slice(cols_, storage_.cols() - cols_);
    for (std::int64_t r = 0; r < gaps.rows; ++r) {
      if (!std::all_of(gaps.row(r).begin(), gaps.row(r).end(),
                       [](T const& x) { return std::memcmp(&x, &marker, sizeof(T)) == 0; })) {
        return false;
      }
    }
    return true;
  }

 private:
  static constexpr T marker = T{-12345};

  Matrix<T> storage_;
  std::int64_t cols_;
};

/// Owner of what a RelationCsrView shows.
struct OwnedCsr {
  std::vector<EdgeOffset> row_offsets{0};
  std::vector<NodeId> cols;
  std::int64_t n_dst = 0;
  std::int32_t relations = 0;
  std::int64_t message_rows = 0;

  RelationCsrView<> view() const {
    return {.row_offsets = view_of(row_offsets),
            .cols = view_of(cols),
            .n_dst = n_dst,
            .relations = relations,
            .message_rows = message_rows};
  }
  void add_row(std::vector<NodeId> const& neighbors) {
    cols.insert(cols.end(), neighbors.begin(), neighbors.end());
    row_offsets.push_back(std::ssize(cols));
  }
};

struct RandomCsrOptions {
  std::int64_t n_dst = 37;
  std::int32_t relations = 3;
  std::int64_t sources = 29;        ///< message rows of each relation
  std::int64_t largest_degree = 7;  ///< of all rows but the hub; about one in four rows is empty
  std::int64_t hub_degree = 0;      ///< degree of the row (n_dst / 2, relation 0), unless 0
  bool shared_messages = false;     ///< all relations read the same message rows
  std::uint64_t seed = 1;
};

/// A CSR with empty rows, duplicate edges (degrees may exceed the number of sources) and, with more
/// than two relations, one that is empty.
inline OwnedCsr random_csr(RandomCsrOptions const& options) {
  OwnedCsr csr;
  csr.n_dst = options.n_dst;
  csr.relations = options.relations;
  csr.message_rows = options.sources * (options.shared_messages ? 1 : options.relations);
  RandomStream random(options.seed, Purpose::test, 3);
  std::vector<NodeId> row;
  for (std::int64_t i = 0; i < options.n_dst; ++i) {
    for (std::int32_t r = 0; r < options.relations; ++r) {
      bool const empty = random.below(4) == 0 || (options.relations > 2 && r == 1);
      std::int64_t degree =
          empty ? 0 : 1 + random.below(static_cast<std::uint32_t>(options.largest_degree));
      if (options.hub_degree > 0 && i == options.n_dst / 2 && r == 0) {
        degree = options.hub_degree;
      }
      std::int64_t const base = options.shared_messages ? 0 : r * options.sources;
      row.clear();
      for (std::int64_t e = 0; e < degree; ++e) {
        row.push_back(
            static_cast<NodeId>(base + random.below(static_cast<std::uint32_t>(options.sources))));
      }
      csr.add_row(row);
    }
  }
  return csr;
}

}  // namespace relweave::test
