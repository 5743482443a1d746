#pragma once

#include <cstddef>
#include <cstdint>

#include <relweave/core/cuda/lanes.cuh>
#include <relweave/core/views.hpp>

// Which instantiation of a kernel over rows a launch takes.

namespace relweave::cuda {

/// Whether every row of `m` begins where 16 bytes can be moved at once.
template <typename T>
bool aligned(MatrixView<T, Space::device> m) {
  constexpr std::size_t bytes = 16;
  auto const address = reinterpret_cast<std::uintptr_t>(m.data);
  return address % bytes == 0 && static_cast<std::size_t>(m.stride) * sizeof(T) % bytes == 0;
}

/// Calls f with the shape for rows of d features. Rows that are not all `whole` packs of 16 bytes
/// take the shape for any d.
template <typename T, typename F>
void with_shape(std::int64_t d, bool whole, F&& f) {
  if (whole && d == 16) {
    return f(RowShape<T, 16>{});
  }
  if (whole && d == 32) {
    return f(RowShape<T, 32>{});
  }
  if (whole && d == 64) {
    return f(RowShape<T, 64>{});
  }
  if (whole && d == 128) {
    return f(RowShape<T, 128>{});
  }
  if (whole && d == 256) {
    return f(RowShape<T, 256>{});
  }
  f(RowShape<T, 0>{});
}

}  // namespace relweave::cuda
