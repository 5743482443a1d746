#pragma once

#include <cstdint>

#include <relweave/core/cuda/lanes.cuh>
#include <relweave/core/views.hpp>
#include <relweave/ops/detail/row_norm.cuh>

// Kernels of row_normalize: a group of lanes takes a row, in registers where its length is known.

namespace relweave::ops::cuda {

/// `out` may be `x`. `norms` may be null.
template <typename Shape, typename T>
__global__ void __launch_bounds__(block_threads, 2)
    normalize_rows(MatrixView<T const, Space::device> x, MatrixView<T, Space::device> out,
                   float* norms) {
  Group<Shape::lanes> const group;
  for (std::int64_t i = group.first; i < x.rows; i += group.count) {
    T const* const from = x.row_data(i);
    T* const to = out.row_data(i);
    RowNorm norm;
    if constexpr (!Shape::any) {
      auto row = read_row<Shape, true>(from, group.lane, 0, x.cols);
      norm = row_norm(group, [&](auto&& f) {
        for (float const value : row.v) {
          f(value);
        }
      });
      for (float& value : row.v) {
        value = norm.divide(value);
      }
      write_row<Shape>(to, group.lane, 0, x.cols, row);
    } else {
      norm = row_norm(group, [&](auto&& f) {
        for (std::int64_t c = group.lane; c < x.cols; c += Shape::lanes) {
          f(widen(from[c]));
        }
      });
      for (std::int64_t c = group.lane; c < x.cols; c += Shape::lanes) {
        to[c] = static_cast<T>(norm.divide(widen(from[c])));
      }
    }
    if (norms != nullptr && group.lane == 0) {
      norms[i] = norm.value();
    }
  }
}

/// `grad_x` may be `grad_out` or `out`.
template <typename Shape, typename T>
__global__ void __launch_bounds__(block_threads, 2)
    normalize_rows_backward(MatrixView<T const, Space::device> out, float const* norms,
                            MatrixView<T const, Space::device> grad_out,
                            MatrixView<T, Space::device> grad_x) {
  Group<Shape::lanes> const group;
  auto const across = [](float g, float along, float y, float norm) {
    return norm == 0 ? 0.0F : (g - along * y) / norm;
  };
  for (std::int64_t i = group.first; i < out.rows; i += group.count) {
    T const* const y_row = out.row_data(i);
    T const* const g_row = grad_out.row_data(i);
    T* const to = grad_x.row_data(i);
    float const norm = __ldg(norms + i);
    float along = 0;  // the part of grad_out that only changes the norm
    if constexpr (!Shape::any) {
      auto const y = read_row<Shape, true>(y_row, group.lane, 0, out.cols);
      auto g = read_row<Shape, true>(g_row, group.lane, 0, out.cols);
      for_features<Shape>(group.lane, 0, out.cols,
                          [&](int k, std::int64_t) { along += y.v[k] * g.v[k]; });
      along = group.sum(along);
      for_features<Shape>(group.lane, 0, out.cols, [&](int k, std::int64_t) {
        g.v[k] = across(g.v[k], along, y.v[k], norm);
      });
      write_row<Shape>(to, group.lane, 0, out.cols, g);
    } else {
      for (std::int64_t c = group.lane; c < out.cols; c += Shape::lanes) {
        along += widen(y_row[c]) * widen(g_row[c]);
      }
      along = group.sum(along);
      for (std::int64_t c = group.lane; c < out.cols; c += Shape::lanes) {
        to[c] = static_cast<T>(across(widen(g_row[c]), along, widen(y_row[c]), norm));
      }
    }
  }
}

}  // namespace relweave::ops::cuda
