#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <relweave/core/cuda.hpp>
#include <relweave/core/error.hpp>
#include <relweave/ops/detail/sum_rows.cuh>
#include <relweave/ops/gather_rows/device_indices.hpp>

namespace relweave::ops {

/// Sums in float, in the order of the positions, hubs in chunks. Takes chunks * d floats of
/// scratch. Defined in gather_rows.cu; `function` is who asks.
template <typename T>
void sum_rows(CudaContext const& ctx, std::string_view function, cuda::SumRows<T> const& sums);

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
