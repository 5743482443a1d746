#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include <relweave/core/bfloat16.hpp>

namespace relweave {

/// Dense index of a node inside its type, or of a message row. Limits one type to 2^31 - 1 nodes.
using NodeId = std::int32_t;

/// Position in an edge array. 64-bit: graphs may have more than 2^31 edges.
using EdgeOffset = std::int64_t;

/// Index of a node type in its Schema. A distinct type, so that it cannot be passed as a relation.
enum class NodeTypeId : std::int32_t {};

/// Index of a relation in its Schema.
enum class RelationId : std::int32_t {};

/// The position of a strong id in arrays that hold one entry per type or relation.
template <typename Id>
requires std::is_enum_v<Id>
constexpr std::int32_t index(Id id) {
  return static_cast<std::int32_t>(id);
}

/// Where memory lives; part of every view's and owner's type.
enum class Space { host, device };

/// Element types of the instantiation grid: float for work, double for the reference and gradient
/// checks.
template <typename T>
concept Scalar = std::same_as < std::remove_const_t<T>,
float > || std::same_as<std::remove_const_t<T>, double>;

/// Element types of the host ops that move rows: those of Scalar, and bfloat16 for storage with
/// sums in float.
template <typename T>
concept HostScalar = Scalar<T> || std::same_as<std::remove_const_t<T>, bfloat16>;

/// What numbers of type T are computed in: float for bfloat16, T itself otherwise.
template <typename T>
using Compute = std::conditional_t<std::is_same_v<std::remove_const_t<T>, bfloat16>, float,
                                   std::remove_const_t<T>>;

/// Element types on a device: float, and bfloat16 for storage with sums in float.
template <typename T>
concept DeviceScalar = std::same_as < std::remove_const_t<T>,
float > || std::same_as<std::remove_const_t<T>, bfloat16>;

enum class Reduce { max, mean, sum };
enum class Activation { identity, relu };

/// Makes a parameter non-deduced, so that T is deduced from the output alone and mutable views
/// convert to const ones.
template <typename V>
using In = std::type_identity_t<V>;

}  // namespace relweave
