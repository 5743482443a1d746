#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include <relweave/core/bfloat16.hpp>
#include <relweave/core/cuda.hpp>

// The one place where the library asks cuBLAS for something.

namespace relweave::ops {

/// The type of numbers that a library gets as an address.
enum class DeviceType { float32, bfloat16 };

template <typename T>
inline constexpr DeviceType device_type =
    std::is_same_v<std::remove_const_t<T>, float> ? DeviceType::float32 : DeviceType::bfloat16;

/// c (m, n) = op(a) op(b), or c += with accumulate, then + bias by row, then relu if asked; sums in
/// float. Row-major with strides; the transposed operand is stored (k, m) or (n, k). `in` is the
/// type of a and b, `out` that of c and bias; m, n and k are at least 1.
struct DeviceProduct {
  DeviceType in;
  DeviceType out;
  void const* a;
  std::int64_t a_stride;
  bool a_transposed;
  void const* b;
  std::int64_t b_stride;
  bool b_transposed;
  void* c;
  std::int64_t c_stride;
  std::int64_t m, n, k;
  bool accumulate;
  void const* bias;  ///< null without
  bool relu;
};

/// Scratch of a product, the same for all: the choice of an algorithm depends on it.
inline constexpr std::int64_t product_scratch_bytes = std::int64_t{32} << 20;

/// Puts a product on the stream. The first of a shape on a thread chooses an algorithm, which is
/// not possible while the stream is captured; the same shape then takes the same one.
void device_product(CudaContext const& ctx, std::string_view function, DeviceProduct const& p);

}  // namespace relweave::ops
