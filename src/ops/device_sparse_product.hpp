#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include <relweave/core/cuda.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

#include "device_type.hpp"

// The one place where the library asks cuSPARSE for something.

namespace relweave::ops {

/// Where a sparse matrix has entries, in CSR. The order of a row's entries is free, and they may
/// repeat. cuSPARSE takes 32-bit offsets with 32-bit columns.
struct DeviceSparsePattern {
  VectorView<std::int32_t const, Space::device> row_offsets;  // (rows + 1), from 0
  VectorView<NodeId const, Space::device> cols;               // (entries)
  std::int64_t n_cols = 0;
};

/// c (rows, n) = a b (n_cols, n), or c += with accumulate; a is sparse, sums are in float. b and c
/// are row-major with strides; values (entries), b and c are of one type.
struct DeviceSparseProduct {
  DeviceType type;
  void const* values;
  void const* b;
  std::int64_t b_stride;
  void* c;
  std::int64_t c_stride;
  std::int64_t n;
  bool accumulate;
};

/// The widest b: beyond 65,535 times 16 columns, cuSPARSE before CUDA 13.2 may return zeros
/// (github.com/cupy/cupy/pull/9862).
inline constexpr std::int64_t sparse_product_columns = 65'535 * 16;

/// A sparse matrix on the device with the plans of its products. A plan has scratch of its own, so
/// products of one matrix must be on one stream.
class DeviceSparseMatrix {
 public:
  DeviceSparseMatrix();
  ~DeviceSparseMatrix();
  DeviceSparseMatrix(DeviceSparseMatrix const&) = delete;
  DeviceSparseMatrix& operator=(DeviceSparseMatrix const&) = delete;

  /// Refers to another matrix, of at least one row, column and entry, or to the same memory with
  /// other contents. Plans are made anew, in the memory they have.
  void assign(DeviceSparsePattern const& pattern);

  /// Puts a product on the stream, the same bits run to run. The first of a type, width, stride and
  /// array of values makes a plan: it allocates, which is not possible while the stream is
  /// captured.
  void multiply(CudaContext const& ctx, std::string_view function, DeviceSparseProduct const& p);

 private:
  struct Plans;

  DeviceSparsePattern pattern_;
  std::unique_ptr<Plans> plans_;
};

}  // namespace relweave::ops
