#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/nn/mlp.hpp>
#include <relweave/nn/parameter.hpp>
#include <relweave/nn/pooled_linear.hpp>

namespace relweave::model {

/// Sizes of both towers' inputs.
struct TowerInputs {
  std::int64_t types = 0;          ///< item types
  std::int64_t item_features = 0;  ///< text and metadata
  std::int64_t item_vectors = 0;   ///< HGNN vectors, read by both towers
  std::int64_t user_features = 0;  ///< demographics; may be 0
};

/// What the backward pass of either tower needs; the tower's output is `unit`.
template <Space S = Space::host>
struct UserPass {
  nn::PooledLinearCache<float, S> input;
  nn::MlpCache<float, S> rest;
  Matrix<float, S> grad_hidden;
  Matrix<float, S> unit;  // (users, out)
  Buffer<float, S> norms;
};
template <Space S = Space::host>
struct ItemPass {
  nn::MlpCache<float, S> mlp;
  Matrix<float, S> unit;  // (items, out)
  Buffer<float, S> norms;
};

/// The network of both towers: fully connected layers, relu between them, outputs of unit norm.
/// The first user layer reads per-type means through the item table (nn::PooledLinear). Runs where
/// its parameters are.
class RELWEAVE_API TowerNetwork {
 public:
  /// Registers its tensors in `parameters`, which must be allocated afterwards.
  TowerNetwork(TowerInputs const& inputs, std::vector<std::int64_t> const& layers,
               nn::ParameterSet<float>& parameters);

  void initialize(nn::ParameterSet<float>& parameters, std::uint64_t seed) const;

  template <Space S>
  void forward_users(Context<S> const& ctx, nn::ParameterSet<float, S> const& parameters,
                     nn::PooledInput<float, S> const& batch, UserPass<S>& pass) const;
  /// Adds the parameters' gradients; `grad` comes in as that of pass.unit and is overwritten.
  template <Space S>
  void backward_users(Context<S> const& ctx, nn::ParameterSet<float, S>& parameters,
                      nn::PooledInput<float, S> const& batch, UserPass<S>& pass,
                      MatrixView<float, S> grad) const;

  /// x (items, item_features + types + item_vectors)
  template <Space S>
  void forward_items(Context<S> const& ctx, nn::ParameterSet<float, S> const& parameters,
                     In<MatrixView<float const, S>> x, ItemPass<S>& pass) const;
  template <Space S>
  void backward_items(Context<S> const& ctx, nn::ParameterSet<float, S>& parameters,
                      In<MatrixView<float const, S>> x, ItemPass<S>& pass,
                      MatrixView<float, S> grad) const;

  TowerInputs const& inputs() const { return inputs_; }

 private:
  TowerInputs inputs_;
  nn::PooledLinear<float> user_input_;
  std::optional<nn::Mlp<float>> user_rest_;  // none when there is one layer
  nn::Mlp<float> item_;
};

}  // namespace relweave::model
