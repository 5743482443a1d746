#pragma once

#include <cfloat>
#include <cmath>

#include <relweave/core/cuda/lanes.cuh>

namespace relweave::ops::cuda {

using namespace relweave::cuda;

/// A row's L2 norm as a product, so that it serves rows whose squares leave the range of float.
struct RowNorm {
  float scale = 1;
  float norm = 0;

  __device__ float value() const { return scale * norm; }
  __device__ float divide(float x) const { return norm == 0 ? x : x / scale / norm; }
};

/// The norm of the group's row. `each(f)` calls f(x) for every element that the lane holds.
template <int lanes, typename Each>
__device__ inline RowNorm row_norm(Group<lanes> const& group, Each&& each) {
  constexpr float smallest_safe_square = FLT_MIN / FLT_EPSILON;
  float squares = 0;
  each([&](float x) { squares += x * x; });
  squares = group.sum(squares);
  if ((squares > smallest_safe_square && squares - squares == 0) || squares != squares) {
    return {1, sqrtf(squares)};
  }
  float largest = 0;
  each([&](float x) { largest = fmaxf(largest, fabsf(x)); });
  largest = group.max(largest);
  if (largest == 0 || largest - largest != 0) {  // all zero, or infinite
    return {largest == 0 ? 1.0F : largest, largest == 0 ? 0.0F : 1.0F};
  }
  float scaled = 0;
  each([&](float x) { scaled += (x / largest) * (x / largest); });
  return {largest, sqrtf(group.sum(scaled))};
}

}  // namespace relweave::ops::cuda
