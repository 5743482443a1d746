#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <relweave/core/cuda/grid.cuh>
#include <relweave/core/error.hpp>
#include <relweave/core/views.hpp>

#include "device_sums.hpp"

// The passes of relation_aggregate that SumBackend::cusparse takes over.

namespace relweave::ops {

namespace cuda {

using namespace relweave::cuda;

template <typename T>
__global__ void __launch_bounds__(block_threads) fill_ones(T* to, std::int64_t n) {
  std::int64_t const threads = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t k = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; k < n;
       k += threads) {
    to[k] = static_cast<T>(1.0F);
  }
}

/// Lanes that share a row of the csr.
inline constexpr int weight_lanes = 8;

/// 1 / degree for every edge of the csr.
template <typename T>
__global__ void __launch_bounds__(block_threads)
    weigh_rows(EdgeOffset const* row_offsets, std::int64_t rows, EdgeOffset first_edge, T* to) {
  Group<weight_lanes> const group;
  for (std::int64_t row = group.first; row < rows; row += group.count) {
    EdgeOffset const begin = __ldg(row_offsets + row);
    EdgeOffset const end = __ldg(row_offsets + row + 1);
    T const weight = static_cast<T>(1.0F / static_cast<float>(end - begin));
    for (EdgeOffset e = begin + group.lane; e < end; e += weight_lanes) {
      to[e - first_edge] = weight;
    }
  }
}

/// 1 / degree for every edge of the transpose.
template <typename T>
__global__ void __launch_bounds__(block_threads)
    weigh_transpose(DeviceTranspose transpose, EdgeOffset const* row_offsets,
                    std::int32_t relations, T* to) {
  std::int64_t const threads = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t k = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
       k < transpose.dst.size; k += threads) {
    std::int64_t const row = static_cast<std::int64_t>(__ldg(transpose.dst.data + k)) * relations +
                             __ldg(transpose.relations.data + k);
    EdgeOffset const degree = __ldg(row_offsets + row + 1) - __ldg(row_offsets + row);
    to[k] = static_cast<T>(1.0F / static_cast<float>(degree));
  }
}

}  // namespace cuda

/// The sums of `csr` where they do a pass's work; null where the kernels of relation_aggregate do.
inline detail::DeviceSums* sums_of(DeviceCsr const& csr, Reduce reduce) {
  detail::DeviceSums* const sums = csr.sums();
  return reduce != Reduce::max && sums != nullptr && sums->edges > 0 ? sums : nullptr;
}

/// Refuses rows that are too wide for a product; `argument` has them.
inline void expect_sum_width(std::string_view function, std::string_view argument, std::int64_t d) {
  if (d > sparse_product_columns) {
    raise<ShapeError>(
        function, argument, std::to_string(d) + " columns",
        "at most " + std::to_string(sparse_product_columns) + " with SumBackend::cusparse",
        "Upload the csr with SumBackend::fused.");
  }
}

namespace detail {

/// `edges` with the values that `fill`, which launches a kernel, gives to its address.
template <typename T, typename F>
T const* values_of(std::string_view function, EdgeValues<T>& edges, std::int64_t count, F&& fill) {
  if (!edges.made) {
    edges.values.reset(count);
    fill(edges.values.data());
    cuda::check_launch(function);
    edges.made = true;
  }
  return edges.values.data();
}

template <typename T>
T const* ones_of(CudaContext const& ctx, std::string_view function, DeviceSums& sums) {
  return values_of(function, sums.values<T>().ones, sums.edges, [&](T* to) {
    RELWEAVE_LAUNCH((cuda::fill_ones<T>), cuda::grid_of(function, ctx, sums.edges, 1),
                    cuda::block_threads, 0, ctx.stream, to, sums.edges);
  });
}

}  // namespace detail

/// out (n_dst, d) = the sums, or means, of each row's messages, all relations added up; or out +=.
/// The csr has edges.
template <typename T>
void sum_messages(CudaContext const& ctx, std::string_view function, DeviceCsr const& csr,
                  bool mean, MatrixView<T const, Space::device> messages,
                  MatrixView<T, Space::device> out, bool accumulate) {
  detail::DeviceSums& sums = *csr.sums();
  auto const weights = [&] {
    auto const& view = csr.view();
    std::int64_t const rows = view.n_dst * view.relations;
    return detail::values_of(function, sums.values<T>().by_row, sums.edges, [&](T* to) {
      RELWEAVE_LAUNCH((cuda::weigh_rows<T>), cuda::grid_of(function, ctx, rows, cuda::weight_lanes),
                      cuda::block_threads, 0, ctx.stream, view.row_offsets.data, rows,
                      sums.first_edge, to);
    });
  };
  sums.rows.multiply(ctx, function,
                     {.type = device_type<T>,
                      .values = mean ? weights() : detail::ones_of<T>(ctx, function, sums),
                      .b = messages.data,
                      .b_stride = messages.stride,
                      .c = out.data,
                      .c_stride = out.stride,
                      .n = out.cols,
                      .accumulate = accumulate});
}

/// grad_messages (message_rows, d) = the gradients of sum_messages. The csr has edges.
template <typename T>
void sum_gradients(CudaContext const& ctx, std::string_view function, DeviceCsr const& csr,
                   bool mean, MatrixView<T const, Space::device> g,
                   MatrixView<T, Space::device> grad_messages) {
  detail::DeviceSums& sums = *csr.sums();
  auto const weights = [&] {
    return detail::values_of(function, sums.values<T>().by_col, sums.edges, [&](T* to) {
      RELWEAVE_LAUNCH((cuda::weigh_transpose<T>), cuda::grid_of(function, ctx, sums.edges, 1),
                      cuda::block_threads, 0, ctx.stream, csr.transpose(),
                      csr.view().row_offsets.data, csr.view().relations, to);
    });
  };
  sums.messages.multiply(ctx, function,
                         {.type = device_type<T>,
                          .values = mean ? weights() : detail::ones_of<T>(ctx, function, sums),
                          .b = g.data,
                          .b_stride = g.stride,
                          .c = grad_messages.data,
                          .c_stride = grad_messages.stride,
                          .n = g.cols,
                          .accumulate = false});
}

}  // namespace relweave::ops
