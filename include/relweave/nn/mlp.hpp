#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/nn/parameter.hpp>

namespace relweave::nn {

/// Outputs of every layer, kept for the backward pass. Reused between calls.
template <Scalar T, Space S = Space::host>
struct MlpCache {
  std::vector<Matrix<T, S>> outputs;  // per layer: (rows, sizes[layer + 1])
  Matrix<T, S> grad;                  // scratch of the backward pass
  Matrix<T, S> grad_below;

  MatrixView<T const, S> output() const { return outputs.back().view(); }
};

/// Fully connected layers with relu between them; the last is linear. Layer l has the tensors
/// "<prefix>.<first_layer + l>.weight" (in, out) and ".bias" (out). Runs where its parameters are.
template <Scalar T>
class RELWEAVE_API Mlp {
 public:
  /// sizes: input features, then the output features of every layer; at least one layer.
  Mlp(std::string prefix, std::vector<std::int64_t> sizes, std::int64_t first_layer = 0);

  void register_parameters(ParameterSet<T>& parameters);
  /// torch.nn.Linear's default: weight and bias uniform in +-1 / sqrt(fan_in).
  void initialize(ParameterSet<T>& parameters, std::uint64_t seed) const;

  /// x (rows, sizes.front()); the result is cache.output(), (rows, sizes.back()).
  template <Space S>
  void forward(Context<S> const& ctx, ParameterSet<T, S> const& parameters,
               In<MatrixView<T const, S>> x, MlpCache<T, S>& cache) const;

  /// Adds the parameters' gradients and, unless empty, overwrites grad_x (rows, sizes.front()).
  template <Space S>
  void backward(Context<S> const& ctx, ParameterSet<T, S>& parameters, In<MatrixView<T const, S>> x,
                MlpCache<T, S>& cache, In<MatrixView<T const, S>> grad_output,
                In<MatrixView<T, S>> grad_x = {}) const;

  std::vector<std::int64_t> const& sizes() const { return sizes_; }

 private:
  struct Layer {
    ParameterId weight;
    ParameterId bias;
  };

  std::size_t layer_count() const { return sizes_.size() - 1; }

  std::string prefix_;
  std::vector<std::int64_t> sizes_;
  std::int64_t first_layer_;
  std::vector<Layer> layers_;
};

}  // namespace relweave::nn
