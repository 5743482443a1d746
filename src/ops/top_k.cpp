#include <relweave/ops/top_k/top_k.hpp>

#include <algorithm>
#include <limits>
#include <string>

#include <relweave/core/error.hpp>
#include <relweave/core/isa_dispatch.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/profile.hpp>
#include <relweave/ops/top_k/kernels.hpp>

namespace relweave::ops {

namespace {

constexpr std::int64_t rows_per_task = 8;

template <typename T>
constexpr T lowest{-std::numeric_limits<Compute<T>>::infinity()};

/// Inserts into k places sorted from best to worst. Columns come in ascending order, so an equal
/// score goes behind those already there.
template <typename T>
void insert(T score, NodeId column, NodeId* indices, T* values, std::int64_t k) {
  std::int64_t place = k - 1;
  using C = Compute<T>;
  for (; place > 0 && static_cast<C>(values[place - 1]) < static_cast<C>(score); --place) {
    values[place] = values[place - 1];
    indices[place] = indices[place - 1];
  }
  values[place] = score;
  indices[place] = column;
}

/// Most scores lose against the k-th best so far, so all that counts is the search for the next one
/// that wins.
template <typename T>
void scan(cpu::TopKKernels<T> const& kernels, VectorView<T const> scores, NodeId first_column,
          NodeId* indices, T* values, std::int64_t k) {
  std::int64_t c = -1;
  while ((c = kernels.first_above(scores.data, c + 1, scores.size,
                                  static_cast<Compute<T>>(values[k - 1]))) < scores.size) {
    insert(scores[c], static_cast<NodeId>(first_column + c), indices, values, k);
  }
}

template <typename T>
void check(std::string_view here, MatrixView<T const> scores, NodeId first_column,
           MatrixView<NodeId> indices, MatrixView<T> values) {
  if (indices.cols < 1) {
    raise<ConfigError>(here, "k", std::to_string(indices.cols), "at least 1");
  }
  expect_shape(here, "indices", indices, scores.rows, indices.cols);
  expect_shape(here, "values", values, scores.rows, indices.cols);
  constexpr std::int64_t limit = std::int64_t{std::numeric_limits<NodeId>::max()} + 1;
  std::int64_t const end = first_column + scores.cols;
  if (first_column < 0 || end > limit) {
    raise<IndexError>(
        here, "scores",
        "columns in [" + std::to_string(first_column) + ", " + std::to_string(end) + ")",
        "columns in [0, " + std::to_string(limit) + ")");
  }
}

}  // namespace

template <HostScalar T>
void top_k_merge(HostContext const& ctx, In<MatrixView<T const>> scores, NodeId first_column,
                 MatrixView<NodeId> indices, MatrixView<T> values) {
  ProfileScope const profile("top_k");
  check<T>("top_k_merge", scores, first_column, indices, values);
  auto const& kernels = with_isa(
      ctx, []<Isa isa>() -> cpu::TopKKernels<T> const& { return cpu::top_k_kernels<isa, T>(); });
  parallel_for_blocks(ctx, scores.rows, rows_per_task, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      scan(kernels, scores.row(r), first_column, indices.row_data(r), values.row_data(r),
           indices.cols);
    }
  });
}

template <HostScalar T>
void top_k(HostContext const& ctx, In<MatrixView<T const>> scores, MatrixView<NodeId> indices,
           MatrixView<T> values) {
  check<T>("top_k", scores, 0, indices, values);
  for (std::int64_t r = 0; r < scores.rows; ++r) {
    std::fill_n(indices.row_data(r), indices.cols, NodeId{-1});
    std::fill_n(values.row_data(r), values.cols, lowest<T>);
  }
  top_k_merge<T>(ctx, scores, 0, indices, values);
}

#define RELWEAVE_INSTANTIATE(T)                                                       \
  template void top_k<T>(HostContext const&, MatrixView<T const>, MatrixView<NodeId>, \
                         MatrixView<T>);                                              \
  template void top_k_merge<T>(HostContext const&, MatrixView<T const>, NodeId,       \
                               MatrixView<NodeId>, MatrixView<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(double);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
