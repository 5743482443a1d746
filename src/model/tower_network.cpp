#include <relweave/model/tower_network.hpp>

#include <relweave/ops/row_normalize/row_normalize.hpp>

namespace relweave::model {

namespace {

std::vector<std::int64_t> with_input(std::int64_t input, std::vector<std::int64_t> layers) {
  layers.insert(layers.begin(), input);
  return layers;
}

}  // namespace

TowerNetwork::TowerNetwork(TowerInputs const& inputs, std::vector<std::int64_t> const& layers,
                           nn::ParameterSet<float>& parameters)
    : inputs_(inputs),
      user_input_("user.0",
                  {.groups = inputs.types,
                   .in_features = inputs.item_vectors,
                   .extra_features = 2 * inputs.types + inputs.user_features,
                   .out_features = layers.front(),
                   .activation = layers.size() > 1 ? Activation::relu : Activation::identity}),
      item_("item", with_input(inputs.item_features + inputs.types + inputs.item_vectors, layers)) {
  user_input_.register_parameters(parameters);
  if (layers.size() > 1) {
    user_rest_.emplace("user", layers, 1);
    user_rest_->register_parameters(parameters);
  }
  item_.register_parameters(parameters);
}

void TowerNetwork::initialize(nn::ParameterSet<float>& parameters, std::uint64_t seed) const {
  user_input_.initialize(parameters, seed);
  if (user_rest_) {
    user_rest_->initialize(parameters, seed);
  }
  item_.initialize(parameters, seed);
}

template <Space S>
void TowerNetwork::forward_users(Context<S> const& ctx,
                                 nn::ParameterSet<float, S> const& parameters,
                                 nn::PooledInput<float, S> const& batch, UserPass<S>& pass) const {
  user_input_.forward(ctx, parameters, batch, pass.input);
  MatrixView<float const, S> out = pass.input.output.view();
  if (user_rest_) {
    user_rest_->forward(ctx, parameters, out, pass.rest);
    out = pass.rest.output();
  }
  [[maybe_unused]] auto const guard = make_current(ctx);
  pass.unit.reset(out.rows, out.cols);
  pass.norms.reset(out.rows);
  ops::row_normalize<float>(ctx, out, pass.unit.view(), pass.norms.view());
}

template <Space S>
void TowerNetwork::backward_users(Context<S> const& ctx, nn::ParameterSet<float, S>& parameters,
                                  nn::PooledInput<float, S> const& batch, UserPass<S>& pass,
                                  MatrixView<float, S> grad) const {
  ops::row_normalize_backward<float>(ctx, pass.unit.view(), pass.norms.view(), grad, grad);
  if (!user_rest_) {
    user_input_.backward(ctx, parameters, batch, pass.input, grad);
    return;
  }
  MatrixView<float const, S> const hidden = pass.input.output.view();
  [[maybe_unused]] auto const guard = make_current(ctx);
  pass.grad_hidden.reset(hidden.rows, hidden.cols);
  user_rest_->backward(ctx, parameters, hidden, pass.rest, grad, pass.grad_hidden.view());
  user_input_.backward(ctx, parameters, batch, pass.input, pass.grad_hidden.view());
}

template <Space S>
void TowerNetwork::forward_items(Context<S> const& ctx,
                                 nn::ParameterSet<float, S> const& parameters,
                                 In<MatrixView<float const, S>> x, ItemPass<S>& pass) const {
  item_.forward(ctx, parameters, x, pass.mlp);
  auto const out = pass.mlp.output();
  [[maybe_unused]] auto const guard = make_current(ctx);
  pass.unit.reset(out.rows, out.cols);
  pass.norms.reset(out.rows);
  ops::row_normalize<float>(ctx, out, pass.unit.view(), pass.norms.view());
}

template <Space S>
void TowerNetwork::backward_items(Context<S> const& ctx, nn::ParameterSet<float, S>& parameters,
                                  In<MatrixView<float const, S>> x, ItemPass<S>& pass,
                                  MatrixView<float, S> grad) const {
  ops::row_normalize_backward<float>(ctx, pass.unit.view(), pass.norms.view(), grad, grad);
  item_.backward(ctx, parameters, x, pass.mlp, grad);
}

#define RELWEAVE_INSTANTIATE(S)                                                                    \
  template void TowerNetwork::forward_users(Context<S> const&, nn::ParameterSet<float, S> const&,  \
                                            nn::PooledInput<float, S> const&, UserPass<S>&) const; \
  template void TowerNetwork::backward_users(Context<S> const&, nn::ParameterSet<float, S>&,       \
                                             nn::PooledInput<float, S> const&, UserPass<S>&,       \
                                             MatrixView<float, S>) const;                          \
  template void TowerNetwork::forward_items(Context<S> const&, nn::ParameterSet<float, S> const&,  \
                                            MatrixView<float const, S>, ItemPass<S>&) const;       \
  template void TowerNetwork::backward_items(Context<S> const&, nn::ParameterSet<float, S>&,       \
                                             MatrixView<float const, S>, ItemPass<S>&,             \
                                             MatrixView<float, S>) const
RELWEAVE_INSTANTIATE(Space::host);
RELWEAVE_INSTANTIATE(Space::device);

}  // namespace relweave::model
