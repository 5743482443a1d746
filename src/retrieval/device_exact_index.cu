#include <algorithm>
#include <limits>
#include <vector>

#include <relweave/core/cuda/grid.cuh>
#include <relweave/core/error.hpp>
#include <relweave/ops/linear/linear.hpp>
#include <relweave/ops/top_k/top_k.hpp>
#include <relweave/retrieval/device_exact_index.hpp>

namespace relweave::retrieval {

namespace {

// A block of scores is 128 MiB: the product that writes it and the selection that reads it fill a
// device, and many callers have room for it.
constexpr std::int64_t block_queries = 1024;
constexpr std::int64_t block_items = 32768;

/// Takes the excluded items of each query out of a block of scores that begins with item `first`.
/// A template, so that headers and sources may share it.
template <int threads>
__global__ void __launch_bounds__(threads)
    leave_out(std::int64_t const* offsets, NodeId const* items, std::int64_t first,
              MatrixView<float, Space::device> scores) {
  for (std::int64_t q = blockIdx.x; q < scores.rows; q += gridDim.x) {
    for (std::int64_t e = offsets[q] + threadIdx.x; e < offsets[q + 1]; e += threads) {
      std::int64_t const column = items[e] - first;
      if (column >= 0 && column < scores.cols) {
        scores.row_data(q)[column] = -std::numeric_limits<float>::infinity();
      }
    }
  }
}

template <typename T>
VectorView<T, Space::device> upload(CudaContext const& ctx, DeviceWorkspace::Scope& scratch,
                                    VectorView<T const> host) {
  auto const device = scratch.vector<T>(host.size);
  copy(ctx, host, device);
  return device;
}

}  // namespace

DeviceExactIndex::DeviceExactIndex(CudaContext const& ctx, ExactIndex const& index) {
  expect_cuda("DeviceExactIndex", ctx);
  DeviceGuard const guard(ctx.device);
  host_.size_ = index.size_;
  host_.dimension_ = index.dimension_;
  host_.types_ = index.types_;
  host_.bias_ = index.bias_;
  by_feature_ = Matrix<float, Space::device>(index.dimension_, index.size_);
  bias_ = Buffer<float, Space::device>(index.size_);
  for (std::int64_t item = 0; item < index.size_; item += ExactIndex::panel_items) {
    std::int64_t const items = std::min(ExactIndex::panel_items, index.size_ - item);
    copy(ctx, index.panel(item / ExactIndex::panel_items).col_slice(0, items),
         by_feature_.view().col_slice(item, items));
  }
  copy(ctx, VectorView<float const>(index.bias_.data(), index.size_), bias_.view());
  synchronize(ctx);
}

void DeviceExactIndex::search(CudaContext const& ctx,
                              MatrixView<float const, Space::device> queries, std::int64_t k,
                              SearchOptions const& options,
                              MatrixView<NodeId, Space::device> indices,
                              MatrixView<float, Space::device> scores) const {
  constexpr std::string_view here = "DeviceExactIndex.search";
  expect_cuda(here, ctx);
  host_.check_search(here, queries.rows, k, options);
  if (k > ops::top_k_device_limit) {
    raise<ConfigError>(here, "k", std::to_string(k),
                       "1 to " + std::to_string(ops::top_k_device_limit),
                       "Use the CPU for longer lists.");
  }
  expect_shape(here, "queries", queries, queries.rows, dimension());
  expect_shape(here, "indices", indices, queries.rows, k);
  expect_shape(here, "scores", scores, queries.rows, k);
  DeviceGuard const guard(ctx.device);
  DeviceWorkspace::Scope filters(ctx.workspace, here);
  VectorView<float const, Space::device> bias = bias_.view();
  std::vector<float> filtered;
  if (!options.allowed_types.empty() || !options.allowed_items.empty()) {
    filtered = host_.filtered_bias(options);
    bias = upload<float>(ctx, filters, {filtered.data(), std::ssize(filtered)});
  }
  VectorView<std::int64_t const, Space::device> excluded_offsets;
  VectorView<NodeId const, Space::device> excluded_items;
  if (!options.excluded_items.empty()) {
    excluded_offsets = upload<std::int64_t>(ctx, filters, options.excluded_offsets);
    excluded_items = upload<NodeId>(ctx, filters, options.excluded_items);
  }

  for (std::int64_t q0 = 0; q0 < queries.rows; q0 += block_queries) {
    std::int64_t const rows = std::min(block_queries, queries.rows - q0);
    auto const out_indices = indices.row_slice(q0, rows);
    auto const out_scores = scores.row_slice(q0, rows);
    for (std::int64_t i0 = 0; i0 == 0 || i0 < size(); i0 += block_items) {
      std::int64_t const items = std::min(block_items, size() - i0);
      DeviceWorkspace::Scope scratch(ctx.workspace, here);
      auto const block = scratch.matrix<float>(rows, items);
      ops::linear<float>(ctx, queries.row_slice(q0, rows), by_feature_.view().col_slice(i0, items),
                         bias.slice(i0, items), {}, block);
      if (!excluded_items.empty()) {
        RELWEAVE_LAUNCH((leave_out<cuda::block_threads>),
                        cuda::grid_of(here, ctx, rows, cuda::block_threads), cuda::block_threads, 0,
                        ctx.stream, excluded_offsets.data + q0, excluded_items.data, i0, block);
        cuda::check_launch(here);
      }
      if (i0 == 0) {
        ops::top_k<float>(ctx, block, out_indices, out_scores);
      } else {
        ops::top_k_merge<float>(ctx, block, static_cast<NodeId>(i0), out_indices, out_scores);
      }
    }
  }
}

void DeviceExactIndex::scores(CudaContext const& ctx,
                              MatrixView<float const, Space::device> queries,
                              MatrixView<float, Space::device> out) const {
  constexpr std::string_view here = "DeviceExactIndex.scores";
  expect_cuda(here, ctx);
  expect_shape(here, "queries", queries, queries.rows, dimension());
  expect_shape(here, "out", out, queries.rows, size());
  ops::linear<float>(ctx, queries, by_feature_.view(), bias_.view(), {}, out);
}

}  // namespace relweave::retrieval
