#pragma once

#include <type_traits>

#include <relweave/core/bfloat16.hpp>

namespace relweave::ops {

/// The type of numbers that a library gets as an address.
enum class DeviceType { float32, bfloat16 };

template <typename T>
inline constexpr DeviceType device_type =
    std::is_same_v<std::remove_const_t<T>, float> ? DeviceType::float32 : DeviceType::bfloat16;

}  // namespace relweave::ops
