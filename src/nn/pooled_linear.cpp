#include <relweave/nn/pooled_linear.hpp>

#include <algorithm>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/nn/init.hpp>
#include <relweave/ops/linear/linear.hpp>

namespace relweave::nn {

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
void PooledLinear<T>::check(PooledInput<T> const& input) const {
  constexpr std::string_view here = "PooledLinear";
  if (std::ssize(input.group_offsets) != sizes_.groups + 1) {
    raise<ShapeError>(here, "group_offsets", std::to_string(input.group_offsets.size()),
                      std::to_string(sizes_.groups + 1) + ", one more than groups");
  }
  expect_shape(here, "table", input.table, input.group_offsets.back(), sizes_.in_features);
  expect_shape(here, "extra", input.extra, input.segments.offsets.size - 1, sizes_.extra_features);
}

template <Scalar T>
void PooledLinear<T>::forward(HostContext const& ctx, ParameterSet<T> const& parameters,
                              PooledInput<T> const& input, PooledLinearCache<T>& cache) const {
  check(input);
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
  ops::linear<T>(ctx, input.extra, weight.row_slice(sizes_.groups * d, sizes_.extra_features),
                 parameters.vector(bias_), {}, out);
  ops::segment_mean<T>(ctx, input.segments, cache.projected.view(),
                       {.reduce = Reduce::sum, .accumulate = true}, out);
  if (sizes_.activation == Activation::relu) {
    parallel_for_blocks(ctx, out.rows, 64, [&](std::int64_t begin, std::int64_t end) {
      for (T* p = out.row_data(begin); p != out.row_data(end); ++p) {
        *p = *p < 0 ? T{0} : *p;
      }
    });
  }
}

template <Scalar T>
void PooledLinear<T>::backward(HostContext const& ctx, ParameterSet<T>& parameters,
                               PooledInput<T> const& input, PooledLinearCache<T>& cache,
                               In<MatrixView<T const>> grad_output) const {
  check(input);
  auto const weight = std::as_const(parameters).matrix(weight_);
  auto const grad_weight = parameters.matrix_gradient(weight_);
  std::int64_t const d = sizes_.in_features;
  MatrixView<T const> grad = grad_output;
  if (sizes_.activation == Activation::relu) {
    cache.masked.reset(grad.rows, grad.cols);
    auto const masked = cache.masked.view();
    MatrixView<T const> const out = cache.output.view();
    parallel_for_blocks(ctx, grad.rows, 64, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        T const* const g = grad_output.row_data(r);
        for (std::int64_t c = 0; c < out.cols; ++c) {
          masked.row_data(r)[c] = out.row_data(r)[c] > 0 ? g[c] : T{0};
        }
      }
    });
    grad = masked;
  }
  ops::linear_backward<T>(
      ctx, input.extra, weight.row_slice(sizes_.groups * d, sizes_.extra_features), {}, grad, {},
      {.x = {},
       .weight = grad_weight.row_slice(sizes_.groups * d, sizes_.extra_features),
       .bias = parameters.vector_gradient(bias_)});
  auto const grad_projected = cache.projected.view();
  ops::segment_mean_backward<T>(ctx, input.segments, grad, {.reduce = Reduce::sum}, grad_projected);
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

}  // namespace relweave::nn
