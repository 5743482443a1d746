#include <relweave/nn/mlp.hpp>

#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/nn/init.hpp>
#include <relweave/ops/linear/linear.hpp>

namespace relweave::nn {

template <Scalar T>
Mlp<T>::Mlp(std::string prefix, std::vector<std::int64_t> sizes, std::int64_t first_layer)
    : prefix_(std::move(prefix)), sizes_(std::move(sizes)), first_layer_(first_layer) {
  if (sizes_.size() < 2) {
    raise<ConfigError>("Mlp", "sizes", std::to_string(sizes_.size()) + " sizes",
                       "the input size and at least one layer");
  }
}

template <Scalar T>
void Mlp<T>::register_parameters(ParameterSet<T>& parameters) {
  layers_.clear();
  for (std::size_t l = 0; l < layer_count(); ++l) {
    std::string const name =
        prefix_ + "." + std::to_string(first_layer_ + static_cast<std::int64_t>(l));
    ParameterId const weight = parameters.add_matrix(name + ".weight", sizes_[l], sizes_[l + 1]);
    layers_.push_back({weight, parameters.add_vector(name + ".bias", sizes_[l + 1])});
  }
}

template <Scalar T>
void Mlp<T>::initialize(ParameterSet<T>& parameters, std::uint64_t seed) const {
  for (std::size_t l = 0; l < layer_count(); ++l) {
    double const bound = linear_bound(sizes_[l]);
    auto const weight = parameters.matrix(layers_[l].weight);
    uniform_init<T>({weight.data, weight.rows * weight.cols}, bound, seed,
                    static_cast<std::uint64_t>(index(layers_[l].weight)));
    uniform_init<T>(parameters.vector(layers_[l].bias), bound, seed,
                    static_cast<std::uint64_t>(index(layers_[l].bias)));
  }
}

template <Scalar T>
template <Space S>
void Mlp<T>::forward(Context<S> const& ctx, ParameterSet<T, S> const& parameters,
                     In<MatrixView<T const, S>> x, MlpCache<T, S>& cache) const {
  [[maybe_unused]] auto const guard = make_current(ctx);
  cache.outputs.resize(layer_count());
  MatrixView<T const, S> input = x;
  for (std::size_t l = 0; l < layer_count(); ++l) {
    bool const last = l + 1 == layer_count();
    cache.outputs[l].reset(x.rows, sizes_[l + 1]);
    ops::linear<T>(
        ctx, input, parameters.matrix(layers_[l].weight), parameters.vector(layers_[l].bias),
        {.activation = last ? Activation::identity : Activation::relu}, cache.outputs[l].view());
    input = cache.outputs[l].view();
  }
}

template <Scalar T>
template <Space S>
void Mlp<T>::backward(Context<S> const& ctx, ParameterSet<T, S>& parameters,
                      In<MatrixView<T const, S>> x, MlpCache<T, S>& cache,
                      In<MatrixView<T const, S>> grad_output, In<MatrixView<T, S>> grad_x) const {
  [[maybe_unused]] auto const guard = make_current(ctx);
  MatrixView<T const, S> grad = grad_output;
  for (std::size_t l = layer_count(); l-- > 0;) {
    bool const last = l + 1 == layer_count();
    MatrixView<T const, S> const input = l == 0 ? x : cache.outputs[l - 1].view();
    MatrixView<T, S> below = grad_x;
    if (l > 0) {
      cache.grad_below.reset(x.rows, sizes_[l]);
      below = cache.grad_below.view();
    }
    ops::linear_backward<T>(
        ctx, input, std::as_const(parameters).matrix(layers_[l].weight), cache.outputs[l].view(),
        grad, {.activation = last ? Activation::identity : Activation::relu},
        ops::LinearGradientsOf<T, S>{.x = below,
                                     .weight = parameters.matrix_gradient(layers_[l].weight),
                                     .bias = parameters.vector_gradient(layers_[l].bias)});
    std::swap(cache.grad, cache.grad_below);
    grad = cache.grad.view();
  }
}

template class Mlp<float>;
template class Mlp<double>;

#define RELWEAVE_INSTANTIATE(T, S)                                                               \
  template void Mlp<T>::forward(Context<S> const&, ParameterSet<T, S> const&,                    \
                                MatrixView<T const, S>, MlpCache<T, S>&) const;                  \
  template void Mlp<T>::backward(Context<S> const&, ParameterSet<T, S>&, MatrixView<T const, S>, \
                                 MlpCache<T, S>&, MatrixView<T const, S>, MatrixView<T, S>) const
RELWEAVE_INSTANTIATE(float, Space::host);
RELWEAVE_INSTANTIATE(double, Space::host);
RELWEAVE_INSTANTIATE(float, Space::device);

}  // namespace relweave::nn
