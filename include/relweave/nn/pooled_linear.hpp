#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <type_traits>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/nn/parameter.hpp>
#include <relweave/ops/segment_mean/segment_mean.hpp>

namespace relweave::nn {

struct PooledLinearSizes {
  std::int64_t groups = 1;          ///< item types
  std::int64_t in_features = 1;     ///< of one item vector
  std::int64_t extra_features = 0;  ///< beside the means
  std::int64_t out_features = 1;
  Activation activation = Activation::relu;
};

/// What a PooledLinear reads.
template <Scalar T, Space S = Space::host>
struct PooledInput {
  /// On a device they belong to the caller.
  using Segments = std::conditional_t<S == Space::host, ops::Segments<T>,
                                      std::reference_wrapper<ops::DeviceSegments const>>;

  MatrixView<T const, S> table;                 // (items, in_features), grouped
  std::span<std::int64_t const> group_offsets;  // (groups + 1) rows of the table per group
  Segments segments;                            // row -> items with their share of its group's mean
  MatrixView<T const, S> extra;                 // (rows, extra_features)
};

template <Scalar T, Space S = Space::host>
struct PooledLinearCache {
  Matrix<T, S> output;     // (rows, out_features)
  Matrix<T, S> projected;  // (items, out_features), and its gradient in the backward pass
  Matrix<T, S> masked;     // gradient before the activation
};

/// A linear layer over [mean of group 0 | mean of group 1 | ... | extra] without that wide input:
/// the item table is projected once, P[i] = table[i] W_g(i), and each row sums its items' P. For
/// 512 users, 1,000 items, 6 groups of 128 and 512 outputs that is a third of the multiply-adds.
/// The table is constant: no gradient flows into it.
/// Tensors: "<prefix>.weight" (groups * in_features + extra_features, out_features), ".bias".
template <Scalar T>
class RELWEAVE_API PooledLinear {
 public:
  PooledLinear(std::string prefix, PooledLinearSizes const& sizes);

  void register_parameters(ParameterSet<T>& parameters);
  /// torch.nn.Linear's default for the wide layer that this stands for.
  void initialize(ParameterSet<T>& parameters, std::uint64_t seed) const;

  template <Space S>
  void forward(Context<S> const& ctx, ParameterSet<T, S> const& parameters,
               PooledInput<T, S> const& input, PooledLinearCache<T, S>& cache) const;
  /// Adds the parameters' gradients.
  template <Space S>
  void backward(Context<S> const& ctx, ParameterSet<T, S>& parameters,
                PooledInput<T, S> const& input, PooledLinearCache<T, S>& cache,
                In<MatrixView<T const, S>> grad_output) const;

  PooledLinearSizes const& sizes() const { return sizes_; }

 private:
  template <Space S>
  void check(PooledInput<T, S> const& input) const;

  std::string prefix_;
  PooledLinearSizes sizes_;
  ParameterId weight_{};
  ParameterId bias_{};
};

}  // namespace relweave::nn
