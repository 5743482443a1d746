#pragma once

#include <cstdint>

// The memory layout of DLPack (dmlc.github.io/dlpack), by which libraries hand arrays to each
// other: what its capsules "dltensor" and "dltensor_versioned" point to.

namespace relweave::python::dlpack {

inline constexpr std::int32_t cuda_device = 2;

struct Device {
  std::int32_t type;
  std::int32_t id;
};

enum class TypeCode : std::uint8_t { signed_integer = 0, floating_point = 2 };

struct DataType {
  std::uint8_t code;
  std::uint8_t bits;
  std::uint16_t lanes;
};

struct Tensor {
  void* data;
  Device device;
  std::int32_t ndim;
  DataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;  // in elements; null: C-contiguous
  std::uint64_t byte_offset;
};

/// Until version 1. Who takes it over calls `deleter` once.
struct ManagedTensor {
  static constexpr char const* name = "dltensor";
  static constexpr char const* used_name = "used_dltensor";

  Tensor tensor;
  void* context;
  void (*deleter)(ManagedTensor*);
};

struct Version {
  std::uint32_t major;
  std::uint32_t minor;
};
inline constexpr Version version{1, 0};

inline constexpr std::uint64_t is_copied = 2;

struct ManagedTensorVersioned {
  static constexpr char const* name = "dltensor_versioned";
  static constexpr char const* used_name = "used_dltensor_versioned";

  Version version;
  void* context;
  void (*deleter)(ManagedTensorVersioned*);
  std::uint64_t flags;
  Tensor tensor;
};

}  // namespace relweave::python::dlpack
