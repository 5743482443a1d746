#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <relweave/core/cuda.hpp>
#include <relweave/core/error.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>
#include <relweave/ops/gather_rows/device_indices.hpp>

// What scatter_rows, segment_mean, pair_score and their gradients have in common on a device.

namespace relweave::ops {

/// out[i] (+)= scales[i] * sum of weights[p] source_scales[s] from[s] with s = sources[p], over the
/// positions p that `to` lists for row i.
template <typename T>
struct SumRows {
  DeviceInverse to{};
  NodeId const* sources = nullptr;       ///< null: s = p
  float const* weights = nullptr;        ///< null for ones
  float const* source_scales = nullptr;  ///< null for ones
  float const* scales = nullptr;         ///< null for ones
  bool skip_zeros = false;               ///< positions whose factor is 0 are not read
  MatrixView<T const, Space::device> from{};
  bool accumulate = false;  ///< otherwise rows that `to` does not list become 0
  MatrixView<T, Space::device> out{};
};

/// Sums in float, in the order of the positions, hubs in chunks. Takes chunks * d floats of
/// scratch. Defined where there is CUDA, for the device's element types; `function` is who asks.
template <typename T>
void sum_rows(CudaContext const& ctx, std::string_view function, SumRows<T> const& sums);

/// Throws ShapeError unless `indices` are for a table of `rows` rows.
inline void expect_rows(std::string_view function, std::string_view argument,
                        DeviceIndices const& indices, std::int64_t rows) {
  if (indices.rows() != rows) {
    raise<ShapeError>(function, argument,
                      "indices of a table of " + std::to_string(indices.rows()) + " rows",
                      "of one of " + std::to_string(rows) + " rows",
                      "Upload them with the table's number of rows.");
  }
}

}  // namespace relweave::ops
