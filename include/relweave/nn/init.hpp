#pragma once

#include <cmath>
#include <cstdint>

#include <relweave/core/random.hpp>
#include <relweave/nn/parameter.hpp>

namespace relweave::nn {

/// Fills a tensor with U(-bound, bound). `stream` tells tensors of one network apart.
template <Scalar T>
void uniform_init(VectorView<T> values, double bound, std::uint64_t seed, std::uint64_t stream) {
  RandomStream random(seed, Purpose::parameter_init, stream);
  for (T& value : values) {
    value = static_cast<T>((2 * random.uniform() - 1) * bound);
  }
}

/// Bound of a uniform distribution with variance 1 / fan_in, which keeps the size of activations.
/// Source: LeCun et al. 1998, Efficient BackProp, section 4.6.
inline double unit_variance_bound(std::int64_t fan_in) {
  return std::sqrt(3.0 / static_cast<double>(fan_in));
}

/// Bound of torch.nn.Linear's default, for weight and bias: 1 / sqrt(fan_in).
inline double linear_bound(std::int64_t fan_in) {
  return 1.0 / std::sqrt(static_cast<double>(fan_in));
}

}  // namespace relweave::nn
