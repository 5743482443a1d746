#pragma once

#include <cuda_runtime.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "emulation/block.hpp"
#include "emulation/grid.hpp"
#include "emulation/limits.hpp"

namespace emulation {

/// The size of a grid or block. A whole number keeps its sign and all its bits until it is checked,
/// where nvcc would quietly cut it to 32 bits.
struct Extent {
  std::int64_t x = 1;
  std::int64_t y = 1;
  std::int64_t z = 1;

  template <std::integral I>
  Extent(I size) : x(static_cast<std::int64_t>(size)) {}
  Extent(dim3 size) : x(size.x), y(size.y), z(size.z) {}
};

/// Runs the grid on its stream, which is now, or adds it to the graph that the stream captures.
/// What a device would report is left for cudaGetLastError. Throws: Error if the sizes are wrong.
void enqueue_grid(Grid grid, Extent const& grid_size, Extent const& block_size);

template <typename... Parameters, typename... Arguments>
void launch(char const* kernel_name, void (*kernel)(Parameters...), Extent grid_size,
            Extent block_size, std::size_t shared_bytes, cudaStream_t stream,
            Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments), "one argument for each parameter");
  static_assert((std::is_trivially_copyable_v<Parameters> && ...),
                "a launch copies its arguments to the device byte by byte");
  static_assert((sizeof(Parameters) + ... + 0) <= max_parameter_bytes);
  enqueue_grid({.kernel = kernel_name,
                .function = reinterpret_cast<void const*>(kernel),
                .shared_bytes = shared_bytes,
                .stream = stream,
                .body = [kernel, parameters = std::tuple<Parameters...>(std::forward<Arguments>(
                                     arguments)...)] { std::apply(kernel, parameters); }},
               grid_size, block_size);
}

/// The array of a RELWEAVE_SHARED: `Key` is the type of a lambda, so each place in the code has
/// one.
template <typename T, std::size_t Count, typename Key>
auto shared_array(Key) -> T (&)[Count] {
  static_assert(std::is_trivially_default_constructible_v<T>, "shared memory starts as garbage");
  static constinit char key = 0;
  std::byte* const memory = Block::current().shared_array(&key, sizeof(T) * Count, alignof(T));
  return *reinterpret_cast<T(*)[Count]>(memory);
}

template <typename T>
T* dynamic_shared() {
  static_assert(alignof(T) <= 16, "dynamic shared memory is aligned to 16 bytes");
  return reinterpret_cast<T*>(Block::current().dynamic_shared());
}

}  // namespace emulation

// The overloads for kernels that CUDA's headers keep for nvcc.

template <typename... Parameters>
cudaError_t cudaFuncSetAttribute(void (*kernel)(Parameters...), cudaFuncAttribute attribute,
                                 int value) {
  return cudaFuncSetAttribute(reinterpret_cast<void const*>(kernel), attribute, value);
}

template <typename... Parameters>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, void (*kernel)(Parameters...)) {
  return cudaFuncGetAttributes(attributes, reinterpret_cast<void const*>(kernel));
}
