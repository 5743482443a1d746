#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/random.hpp>
#include <relweave/graph/csr.hpp>

#include <graph_workloads.hpp>

// The inputs of all benchmarks, named once. Seeded: the same on every machine. Sizes are scaled so
// that the largest needs some 300 MB with d = 128 float; graph_workloads.hpp holds graphs for a
// GPU.

namespace relweave::bench {

/// A graph around one destination type.
struct Workload {
  std::string_view name;
  std::int64_t n_dst;
  std::int32_t relations;
  std::int64_t sources;  ///< message rows of each relation
  double degree;         ///< mean edges per row
  double skew;           ///< exponent of the rows' and the sources' popularity; 0 = uniform
  std::int64_t hub;      ///< degree of one row; 0 = none
};

/// uniform: the 3-type, 9-relation graph of the peers' comparison, one type of it.
/// zipf: degrees and sources by a power law. hub: one row with a tenth of all edges.
/// many_relations: a knowledge graph's shape. co_interaction: a sampled training block of the
/// item graph: fan-out 10 of six relations.
inline constexpr Workload uniform{"uniform", 20'000, 3, 20'000, 20, 0, 0};
inline constexpr Workload zipf{"zipf", 20'000, 3, 20'000, 20, 0.8, 0};
inline constexpr Workload hub{"hub", 20'000, 3, 20'000, 18, 0, 120'000};
inline constexpr Workload many_relations{"many_relations", 10'000, 60, 2'000, 2, 0.5, 0};
inline constexpr Workload co_interaction{"co_interaction", 1'000, 6, 1'000, 10, 0, 0};
/// beyond_cache: no relation's messages fit a cache of 32 MB, in bfloat16 neither.
inline constexpr Workload beyond_cache{"beyond_cache", 5'000, 1, 200'000, 40, 0, 0};
inline constexpr Workload workloads[] = {uniform,        zipf,           hub,
                                         many_relations, co_interaction, beyond_cache};

/// Scores of a batch: one row per example, one column per candidate.
struct ScoreWorkload {
  std::string_view name;
  std::int64_t rows;
  std::int64_t candidates;
};

/// two_tower: a training step over the distinct items of a batch. large_batch: scores that no cache
/// holds. links: the link prediction of the item graph, few negatives per link.
inline constexpr ScoreWorkload two_tower{"two_tower", 512, 400};
inline constexpr ScoreWorkload large_batch{"large_batch", 4'096, 3'001};
inline constexpr ScoreWorkload links{"links", 1'024, 8};
/// evaluation: users against a catalogue, in the blocks that a ranking is made of.
inline constexpr ScoreWorkload evaluation{"evaluation", 256, 10'007};

/// Parameters that an optimiser steps: towers lie in the second-level cache or the third, a table
/// in memory. A step in `touched` rows of the table is that of a batch.
struct ParameterWorkload {
  std::string_view name;
  std::int64_t rows;
  std::int64_t touched;  ///< rows
  std::int64_t d;

  std::int64_t size() const { return rows * d; }
};

inline constexpr ParameterWorkload towers{"towers", 2'048, 0, 128};
inline constexpr ParameterWorkload table{"table", 100'000, 9'000, 128};

/// Owner of a workload's CSR.
struct WorkloadCsr {
  std::vector<EdgeOffset> row_offsets{0};
  std::vector<NodeId> cols;
  Workload shape;

  RelationCsrView<> view() const {
    return {.row_offsets = {row_offsets.data(), std::ssize(row_offsets)},
            .cols = {cols.data(), std::ssize(cols)},
            .n_dst = shape.n_dst,
            .relations = shape.relations,
            .message_rows = shape.sources * shape.relations};
  }
};

/// Every row starts from the mean degree (drawn uniformly between a half and one and a half of it);
/// with skew, edges go to popular rows instead. Neighbours ascend, as a graph builder leaves them.
inline WorkloadCsr make_csr(Workload const& shape, std::uint64_t seed = 1) {
  WorkloadCsr csr;
  csr.shape = shape;
  std::int64_t const rows = shape.n_dst * shape.relations;
  RandomStream random(seed, Purpose::synthetic, 0);
  std::vector<std::int64_t> degrees(static_cast<std::size_t>(rows), 0);
  if (shape.skew > 0) {
    auto const edges = static_cast<std::int64_t>(shape.degree * static_cast<double>(rows));
    for (std::int64_t e = 0; e < edges; ++e) {
      ++degrees[static_cast<std::size_t>(detail::popular(random, rows, shape.skew))];
    }
  } else {
    for (auto& degree : degrees) {
      degree = std::llround(shape.degree * (0.5 + random.uniform()));
    }
  }
  if (shape.hub > 0) {
    degrees[degrees.size() / 2] = shape.hub;
  }
  for (std::size_t row = 0; row < degrees.size(); ++row) {
    auto const base = static_cast<std::int64_t>(row) % shape.relations * shape.sources;
    for (std::int64_t e = 0; e < degrees[row]; ++e) {
      csr.cols.push_back(
          static_cast<NodeId>(base + detail::popular(random, shape.sources, shape.skew)));
    }
    std::sort(csr.cols.begin() + csr.row_offsets.back(), csr.cols.end());
    csr.row_offsets.push_back(std::ssize(csr.cols));
  }
  return csr;
}

/// Uniform in [-1, 1).
template <typename T>
Matrix<T> make_matrix(std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
  Matrix<T> m(rows, cols);
  RandomStream random(seed, Purpose::synthetic, 1);
  std::generate_n(m.data(), rows * cols,
                  [&] { return static_cast<T>(2 * random.uniform_float() - 1); });
  return m;
}

/// `count` row numbers in [0, rows), in no order, with repeats.
inline std::vector<NodeId> make_indices(std::int64_t count, std::int64_t rows, std::uint64_t seed) {
  std::vector<NodeId> indices(static_cast<std::size_t>(count));
  RandomStream random(seed, Purpose::synthetic, 2);
  for (NodeId& index : indices) {
    index = static_cast<NodeId>(random.below(static_cast<std::uint32_t>(rows)));
  }
  return indices;
}

/// The largest |a - b| / max(1, |b|); for the check before the timing.
template <typename T>
double largest_difference(MatrixView<T const> a, MatrixView<T const> b) {
  double largest = 0;
  for (std::int64_t r = 0; r < a.rows; ++r) {
    for (std::int64_t c = 0; c < a.cols; ++c) {
      auto const y = static_cast<double>(b(r, c));
      double const difference = std::abs(static_cast<double>(a(r, c)) - y);
      largest = std::max(largest, difference / std::max(1.0, std::abs(y)));
    }
  }
  return largest;
}

template <typename T>
constexpr std::string_view type_name = sizeof(T) == 2   ? "bfloat16"
                                       : sizeof(T) == 4 ? "float"
                                                        : "double";

/// The same numbers in the type that they are computed in, for the reference.
template <typename T>
Matrix<Compute<T>> computed(Matrix<T> const& from) {
  Matrix<Compute<T>> to(from.rows(), from.cols());
  std::transform(from.data(), from.data() + from.rows() * from.cols(), to.data(),
                 [](T x) { return static_cast<Compute<T>>(x); });
  return to;
}

/// The largest difference of a result from that of the reference.
template <typename T>
double largest_difference(Matrix<T> const& got, Matrix<Compute<T>> const& expected) {
  return largest_difference<Compute<T>>(computed(got).view(), expected.view());
}

/// What a result may differ by from the reference: `multiple` epsilons, and one rounding to T.
template <typename T>
double tolerance(double multiple) {
  return multiple * static_cast<double>(std::numeric_limits<Compute<T>>::epsilon()) +
         (std::is_same_v<T, bfloat16> ? 1.0 / 256 : 0.0);
}

}  // namespace relweave::bench
