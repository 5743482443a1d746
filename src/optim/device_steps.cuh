#pragma once

#include <cstdint>

#include <relweave/core/cuda/grid.cuh>
#include <relweave/core/cuda/lanes.cuh>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

// Kernels that a step of any optimiser on a device is made of. An `Update` holds the settings and
// state of one; update(value, gradient, at) moves a value whose state is element `at`.

namespace relweave::optim {

using relweave::cuda::Group;
using relweave::cuda::warp_lanes;
using relweave::cuda::widen;

/// Bits must not depend on which products and sums the compiler contracts.
__device__ inline float product(float a, float b) {
  return __fmul_rn(a, b);
}
__device__ inline float sum(float a, float b) {
  return __fadd_rn(a, b);
}

template <typename T>
__global__ void set_value(T* to, T value) {
  *to = value;
}

template <typename Update, typename T>
__global__ void __launch_bounds__(cuda::block_threads)
    update_values(VectorView<float, Space::device> values, T const* gradients, Update update) {
  update.prepare();
  std::int64_t const first = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  std::int64_t const stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = first; i < values.size; i += stride) {
    values.data[i] = update(values.data[i], widen(gradients[i]), i);
  }
}

/// A group of lanes takes a row, whose state follows that of the row before in the table.
template <typename Update, typename T>
__global__ void __launch_bounds__(cuda::block_threads)
    update_rows(MatrixView<float, Space::device> table, NodeId const* rows,
                MatrixView<T const, Space::device> gradients, Update update) {
  update.prepare();
  Group<warp_lanes> const group;
  for (std::int64_t i = group.first; i < gradients.rows; i += group.count) {
    std::int64_t const row = __ldg(rows + i);
    float* const values = table.row_data(row);
    T const* const from = gradients.row_data(i);
    for (std::int64_t c = group.lane; c < table.cols; c += warp_lanes) {
      values[c] = update(values[c], widen(from[c]), row * table.cols + c);
    }
  }
}

template <typename Update, typename T>
void launch_update(CudaContext const& ctx, std::string_view here,
                   VectorView<float, Space::device> values, T const* gradients,
                   Update const& update) {
  if (values.empty()) {
    return;
  }
  RELWEAVE_LAUNCH((update_values<Update, T>), cuda::grid_of(here, ctx, values.size, 1),
                  cuda::block_threads, 0, ctx.stream, values, gradients, update);
  cuda::check_launch(here);
}

template <typename Update, typename T>
void launch_row_update(CudaContext const& ctx, std::string_view here,
                       MatrixView<float, Space::device> table, NodeId const* rows,
                       MatrixView<T const, Space::device> gradients, Update const& update) {
  if (gradients.empty()) {
    return;
  }
  RELWEAVE_LAUNCH((update_rows<Update, T>), cuda::grid_of(here, ctx, gradients.rows, warp_lanes),
                  cuda::block_threads, 0, ctx.stream, table, rows, gradients, update);
  cuda::check_launch(here);
}

template <typename T>
void launch_set(CudaContext const& ctx, std::string_view here, T* to, T value) {
  RELWEAVE_LAUNCH(set_value<T>, 1, 1, 0, ctx.stream, to, value);
  cuda::check_launch(here);
}

/// Byte of which a NaN can be made.
inline constexpr int all_nan = 0xFF;

/// Makes room for `size` numbers of equal bytes, 0 or all_nan, written on the stream.
inline void reset_to(CudaContext const& ctx, std::string_view here, int byte,
                     Buffer<float, Space::device>& buffer, std::int64_t size) {
  buffer.reset(size);
  if (size > 0) {
    cuda::check(here, "cudaMemsetAsync",
                cudaMemsetAsync(buffer.data(), byte, static_cast<std::size_t>(size) * sizeof(float),
                                ctx.stream));
  }
}

}  // namespace relweave::optim
