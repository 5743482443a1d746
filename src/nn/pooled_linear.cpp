#include <relweave/nn/pooled_linear.hpp>

#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/nn/init.hpp>
#include <relweave/ops/linear/linear.hpp>

namespace relweave::nn {

namespace {

template <typename T>
std::int64_t row_count(ops::Segments<T> const& segments) {
  return segments.offsets.size - 1;
}
std::int64_t row_count(ops::DeviceSegments const& segments) {
  return segments.entry_segments().rows();
}

}  // namespace

template <Scalar T>
PooledLinear<T>::PooledLinear(std::string prefix, PooledLinearSizes const& sizes)
    : prefix_(std::move(prefix)), sizes_(sizes) {}

template <Scalar T>
void PooledLinear<T>::register_parameters(ParameterSet<T>& parameters) {
  weight_ = parameters.add_matrix(prefix_ + ".weight",
                                  sizes_.groups * sizes_.in_features + sizes_.extra_features,
                                  sizes_.out_features);
  bias_ = parameters.add_vector(prefix_ + ".bias", sizes_.out_features);
}

template <Scalar T>
void PooledLinear<T>::initialize(ParameterSet<T>& parameters, std::uint64_t seed) const {
  auto const weight = parameters.matrix(weight_);
  double const bound = linear_bound(weight.rows);
  uniform_init<T>({weight.data, weight.rows * weight.cols}, bound, seed,
                  static_cast<std::uint64_t>(index(weight_)));
  uniform_init<T>(parameters.vector(bias_), bound, seed, static_cast<std::uint64_t>(index(bias_)));
}

template <Scalar T>
template <Space S>
void PooledLinear<T>::check(PooledInput<T, S> const& input) const {
  constexpr std::string_view here = "PooledLinear";
  if (std::ssize(input.group_offsets) != sizes_.groups + 1) {
    raise<ShapeError>(here, "group_offsets", std::to_string(input.group_offsets.size()),
                      std::to_string(sizes_.groups + 1) + ", one more than groups");
  }
  expect_shape(here, "table", input.table, input.group_offsets.back(), sizes_.in_features);
  expect_shape(here, "extra", input.extra, row_count(input.segments), sizes_.extra_features);
}

template <Scalar T>
template <Space S>
void PooledLinear<T>::forward(Context<S> const& ctx, ParameterSet<T, S> const& parameters,
                              PooledInput<T, S> const& input,
                              PooledLinearCache<T, S>& cache) const {
  check(input);
  [[maybe_unused]] auto const guard = make_current(ctx);
  auto const weight = parameters.matrix(weight_);
  std::int64_t const d = sizes_.in_features;
  cache.projected.reset(input.table.rows, sizes_.out_features);
  for (std::int64_t g = 0; g < sizes_.groups; ++g) {
    auto const first = input.group_offsets[static_cast<std::size_t>(g)];
    auto const count = input.group_offsets[static_cast<std::size_t>(g) + 1] - first;
    ops::matmul<T>(ctx, input.table.row_slice(first, count), weight.row_slice(g * d, d), {},
                   cache.projected.view().row_slice(first, count));
  }
  cache.output.reset(input.extra.rows, sizes_.out_features);
  auto const out = cache.output.view();
  ops::segment_mean<T>(ctx, input.segments, cache.projected.view(), {.reduce = Reduce::sum}, out);
  ops::linear<T>(ctx, input.extra, weight.row_slice(sizes_.groups * d, sizes_.extra_features),
                 parameters.vector(bias_), {.activation = sizes_.activation, .accumulate = true},
                 out);
}

template <Scalar T>
template <Space S>
void PooledLinear<T>::backward(Context<S> const& ctx, ParameterSet<T, S>& parameters,
                               PooledInput<T, S> const& input, PooledLinearCache<T, S>& cache,
                               In<MatrixView<T const, S>> grad_output) const {
  check(input);
  [[maybe_unused]] auto const guard = make_current(ctx);
  auto const weight = std::as_const(parameters).matrix(weight_);
  auto const grad_weight = parameters.matrix_gradient(weight_);
  std::int64_t const d = sizes_.in_features;
  MatrixView<T, S> masked;
  if (sizes_.activation != Activation::identity) {
    cache.masked.reset(grad_output.rows, grad_output.cols);
    masked = cache.masked.view();
  }
  ops::linear_backward<T>(
      ctx, input.extra, weight.row_slice(sizes_.groups * d, sizes_.extra_features),
      cache.output.view(), grad_output, {.activation = sizes_.activation, .accumulate = true},
      ops::LinearGradientsOf<T, S>{
          .x = {},
          .weight = grad_weight.row_slice(sizes_.groups * d, sizes_.extra_features),
          .bias = parameters.vector_gradient(bias_),
          .sum = masked});
  auto const grad_projected = cache.projected.view();
  ops::segment_mean_backward<T>(ctx, input.segments,
                                masked.empty() ? grad_output : MatrixView<T const, S>(masked),
                                {.reduce = Reduce::sum}, grad_projected);
  for (std::int64_t g = 0; g < sizes_.groups; ++g) {
    auto const first = input.group_offsets[static_cast<std::size_t>(g)];
    auto const count = input.group_offsets[static_cast<std::size_t>(g) + 1] - first;
    if (count > 0) {
      ops::matmul<T>(
          ctx, input.table.row_slice(first, count), grad_projected.row_slice(first, count),
          {.a = ops::Transpose::yes, .accumulate = true}, grad_weight.row_slice(g * d, d));
    }
  }
}

template class PooledLinear<float>;
template class PooledLinear<double>;

#define RELWEAVE_INSTANTIATE(T, S)                                                            \
  template void PooledLinear<T>::forward(Context<S> const&, ParameterSet<T, S> const&,        \
                                         PooledInput<T, S> const&, PooledLinearCache<T, S>&)  \
      const;                                                                                  \
  template void PooledLinear<T>::backward(Context<S> const&, ParameterSet<T, S>&,             \
                                          PooledInput<T, S> const&, PooledLinearCache<T, S>&, \
                                          MatrixView<T const, S>) const
RELWEAVE_INSTANTIATE(float, Space::host);
RELWEAVE_INSTANTIATE(double, Space::host);
RELWEAVE_INSTANTIATE(float, Space::device);

}  // namespace relweave::nn
