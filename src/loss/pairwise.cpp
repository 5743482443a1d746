#include <cmath>
#include <string>

#include <relweave/core/error.hpp>
#include <relweave/loss/bpr.hpp>
#include <relweave/loss/margin.hpp>

#include "row_losses.hpp"

namespace relweave::loss {

namespace {

/// Mean of value(difference) over all (positive, negative) pairs, with difference = negative -
/// positive; `slope` is the derivative of `value`.
template <typename T, typename Value, typename Slope>
double pairwise(std::string_view here, HostContext const& ctx, VectorView<T const> positive,
                MatrixView<T const> negative, VectorView<T> grad_positive,
                MatrixView<T> grad_negative, Value const& value, Slope const& slope) {
  expect_shape(here, "negative", negative, positive.size, negative.cols);
  expect_size(here, "grad_positive", grad_positive, positive.size);
  expect_shape(here, "grad_negative", grad_negative, negative.rows, negative.cols);
  if (negative.empty()) {
    raise<ShapeError>(here, "negative", "shape " + shape_string(negative.rows, negative.cols),
                      "at least one example and one negative");
  }
  double const share = 1.0 / static_cast<double>(negative.rows * negative.cols);
  return share * sum_rows(ctx, negative.rows, [&](std::int64_t b) {
           double total = 0;
           double grad = 0;
           auto const anchor = static_cast<double>(positive[b]);
           for (std::int64_t n = 0; n < negative.cols; ++n) {
             double const difference = static_cast<double>(negative(b, n)) - anchor;
             double const g = share * slope(difference);
             total += value(difference);
             grad += g;
             grad_negative(b, n) = static_cast<T>(g);
           }
           grad_positive[b] = static_cast<T>(-grad);
           return total;
         });
}

}  // namespace

template <Scalar T>
double margin(HostContext const& ctx, In<VectorView<T const>> positive,
              In<MatrixView<T const>> negative, MarginParams const& params,
              VectorView<T> grad_positive, MatrixView<T> grad_negative) {
  double const m = params.margin;
  if (!std::isfinite(m)) {
    raise<ConfigError>("margin", "margin", std::to_string(m), "a finite number");
  }
  return pairwise(
      "margin", ctx, positive, negative, grad_positive, grad_negative,
      [m](double d) { return d + m <= 0 ? 0.0 : d + m; },  // NaN stays NaN
      [m](double d) { return d + m > 0 ? 1.0 : 0.0; });
}

template <Scalar T>
double bpr(HostContext const& ctx, In<VectorView<T const>> positive,
           In<MatrixView<T const>> negative, VectorView<T> grad_positive,
           MatrixView<T> grad_negative) {
  return pairwise(
      "bpr", ctx, positive, negative, grad_positive, grad_negative,
      [](double d) { return d > 0 ? d + std::log1p(std::exp(-d)) : std::log1p(std::exp(d)); },
      [](double d) { return 1 / (1 + std::exp(-d)); });
}

#define RELWEAVE_INSTANTIATE(T)                                                           \
  template double margin<T>(HostContext const&, VectorView<T const>, MatrixView<T const>, \
                            MarginParams const&, VectorView<T>, MatrixView<T>);           \
  template double bpr<T>(HostContext const&, VectorView<T const>, MatrixView<T const>,    \
                         VectorView<T>, MatrixView<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(double);

}  // namespace relweave::loss
