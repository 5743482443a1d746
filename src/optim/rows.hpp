#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>

#include <relweave/core/context.hpp>
#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>
#include <relweave/core/workspace.hpp>
#include <relweave/optim/adam.hpp>
#include <relweave/optim/sgd.hpp>

#include "step_kernels.hpp"

namespace relweave::optim {

/// Throws ConfigError unless `value` is finite, at least 0 and, where there is a limit, below it.
inline void expect_setting(std::string_view function, std::string_view argument, double value,
                           double limit = HUGE_VAL) {
  if (!(value >= 0 && value < limit)) {
    raise<ConfigError>(function, argument, std::to_string(value),
                       limit == HUGE_VAL ? "a finite number of at least 0"
                                         : "a number in [0, " + std::to_string(limit) + ")");
  }
}

/// Throws ConfigError for settings that are out of range.
inline void expect_settings(std::string_view function, AdamConfig const& config) {
  expect_setting(function, "beta1", config.beta1, 1);
  expect_setting(function, "beta2", config.beta2, 1);
  expect_setting(function, "epsilon", config.epsilon);
  expect_setting(function, "weight_decay", config.weight_decay);
}
inline void expect_settings(std::string_view function, SgdConfig const& config) {
  expect_setting(function, "momentum", config.momentum);
  expect_setting(function, "dampening", config.dampening);
  expect_setting(function, "weight_decay", config.weight_decay);
  if (config.nesterov && config.momentum == 0) {
    raise<ConfigError>(function, "nesterov", "true without momentum", "a momentum above 0");
  }
  if (config.dampening != 0 && (config.momentum == 0 || config.nesterov)) {
    raise<ConfigError>(function, "dampening",
                       std::to_string(config.dampening) +
                           (config.nesterov ? " with nesterov" : " without momentum"),
                       config.nesterov ? "0" : "a momentum above 0");
  }
}

/// Checks the shapes of a step on some rows of a table of `size` parameters.
template <typename T, typename G, Space S>
void expect_row_shapes(std::string_view function, MatrixView<T, S> table,
                       VectorView<NodeId const, S> rows, MatrixView<G const, S> gradients,
                       std::int64_t size) {
  if (table.rows * table.cols != size) {
    raise<ShapeError>(function, "table", "shape " + shape_string(table.rows, table.cols),
                      std::to_string(size) + " elements");
  }
  expect_shape(function, "gradients", gradients, rows.size, table.cols);
}

/// Checks the arguments of such a step, rows included.
template <typename T, typename G>
void expect_rows(std::string_view function, MatrixView<T> table, VectorView<NodeId const> rows,
                 MatrixView<G const> gradients, std::int64_t size) {
  expect_row_shapes(function, table, rows, gradients, size);
  expect_indices(function, "rows", rows, table.rows);
}

/// Calls fn(row, gradient) once for every different row, in parallel; the gradient of a row that is
/// given several times is the sum, in the order in which they were given. Gradients in bfloat16
/// come as floats.
template <typename G, typename Fn>
void for_each_row(HostContext const& ctx, VectorView<NodeId const> rows,
                  MatrixView<G const> gradients, Fn const& fn) {
  using T = Compute<G>;
  Workspace::Scope scratch(scratch_of(ctx));
  auto const order = scratch.vector<std::int64_t>(rows.size);
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return rows[a] != rows[b] ? rows[a] < rows[b] : a < b;
  });
  auto const starts = scratch.vector<std::int64_t>(rows.size + 1);  // of each different row
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < rows.size; ++i) {
    if (i == 0 || rows[order[i]] != rows[order[i - 1]]) {
      starts[count++] = i;
    }
  }
  starts[count] = rows.size;

  std::int64_t const d = gradients.cols;
  std::int64_t const grain = elements_per_task / std::max<std::int64_t>(d, 1) + 1;
  auto const sums = scratch.matrix<T>((count + grain - 1) / grain, d);  // one per task
  parallel_for_blocks(ctx, count, grain, [&](std::int64_t begin, std::int64_t end) {
    T* const sum = sums.row_data(begin / grain);
    for (std::int64_t i = begin; i < end; ++i) {
      NodeId const row = rows[order[starts[i]]];
      G const* const gradient = gradients.row_data(order[starts[i]]);
      if constexpr (std::same_as<G, T>) {
        if (starts[i + 1] - starts[i] == 1) {
          fn(row, gradient);
          continue;
        }
      }
      std::transform(gradient, gradient + d, sum, [](G g) { return static_cast<T>(g); });
      for (std::int64_t e = starts[i] + 1; e < starts[i + 1]; ++e) {
        std::transform(sum, sum + d, gradients.row_data(order[e]), sum,
                       [](T total, G g) { return total + static_cast<T>(g); });
      }
      fn(row, static_cast<T const*>(sum));
    }
  });
}

}  // namespace relweave::optim
