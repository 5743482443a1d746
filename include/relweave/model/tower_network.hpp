#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
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
struct UserPass {
  nn::PooledLinearCache<float> input;
  nn::MlpCache<float> rest;
  Matrix<float> grad_hidden;
  Matrix<float> unit;  // (users, out)
  Buffer<float> norms;
};
struct ItemPass {
  nn::MlpCache<float> mlp;
  Matrix<float> unit;  // (items, out)
  Buffer<float> norms;
};

/// The network of both towers: fully connected layers, relu between them, outputs of unit norm.
/// The first user layer reads per-type means through the item table (nn::PooledLinear).
class RELWEAVE_API TowerNetwork {
 public:
  /// Registers its tensors in `parameters`, which must be allocated afterwards.
  TowerNetwork(TowerInputs const& inputs, std::vector<std::int64_t> const& layers,
               nn::ParameterSet<float>& parameters);

  void initialize(nn::ParameterSet<float>& parameters, std::uint64_t seed) const;

  void forward_users(HostContext const& ctx, nn::ParameterSet<float> const& parameters,
                     nn::PooledInput<float> const& batch, UserPass& pass) const;
  /// Adds the parameters' gradients; `grad` comes in as that of pass.unit and is overwritten.
  void backward_users(HostContext const& ctx, nn::ParameterSet<float>& parameters,
                      nn::PooledInput<float> const& batch, UserPass& pass,
                      MatrixView<float> grad) const;

  /// x (items, item_features + types + item_vectors)
  void forward_items(HostContext const& ctx, nn::ParameterSet<float> const& parameters,
                     MatrixView<float const> x, ItemPass& pass) const;
  void backward_items(HostContext const& ctx, nn::ParameterSet<float>& parameters,
                      MatrixView<float const> x, ItemPass& pass, MatrixView<float> grad) const;

  TowerInputs const& inputs() const { return inputs_; }

 private:
  TowerInputs inputs_;
  nn::PooledLinear<float> user_input_;
  std::optional<nn::Mlp<float>> user_rest_;  // none when there is one layer
  nn::Mlp<float> item_;
};

}  // namespace relweave::model
