#include <cmath>
#include <string>

#include <relweave/core/error.hpp>
#include <relweave/core/profile.hpp>
#include <relweave/loss/bpr.hpp>
#include <relweave/loss/margin.hpp>

#include "row_kernels.hpp"
#include "row_losses.hpp"

namespace relweave::loss {

namespace {

/// Mean over all (positive, negative) pairs. row(b, share) writes row b of grad_negative.
template <typename T, typename Row>
double pairwise(std::string_view here, HostContext const& ctx, VectorView<T const> positive,
                MatrixView<T const> negative, VectorView<T> grad_positive,
                MatrixView<T> grad_negative, Row const& row) {
  expect_shape(here, "negative", negative, positive.size, negative.cols);
  expect_size(here, "grad_positive", grad_positive, positive.size);
  expect_shape(here, "grad_negative", grad_negative, negative.rows, negative.cols);
  if (negative.empty()) {
    raise<ShapeError>(here, "negative", "shape " + shape_string(negative.rows, negative.cols),
                      "at least one example and one negative");
  }
  double const share = 1.0 / static_cast<double>(negative.rows * negative.cols);
  return share * sum_rows(ctx, negative.rows, [&](std::int64_t b) {
           PairSums const sums = row(b, share);
           grad_positive[b] = static_cast<T>(static_cast<Compute<T>>(-sums.slopes));
           return sums.losses;
         });
}

}  // namespace

template <HostScalar T>
double margin(HostContext const& ctx, In<VectorView<T const>> positive,
              In<MatrixView<T const>> negative, MarginParams const& params,
              VectorView<T> grad_positive, MatrixView<T> grad_negative) {
  ProfileScope const profile("margin");
  if (!std::isfinite(params.margin)) {
    raise<ConfigError>("margin", "margin", std::to_string(params.margin), "a finite number");
  }
  auto const& kernels = row_kernels_for<T>(ctx);
  return pairwise("margin", ctx, positive, negative, grad_positive, grad_negative,
                  [&](std::int64_t b, double share) {
                    return kernels.margin(static_cast<Compute<T>>(positive[b]),
                                          negative.row_data(b), negative.cols, params.margin, share,
                                          grad_negative.row_data(b));
                  });
}

template <HostScalar T>
double bpr(HostContext const& ctx, In<VectorView<T const>> positive,
           In<MatrixView<T const>> negative, VectorView<T> grad_positive,
           MatrixView<T> grad_negative) {
  ProfileScope const profile("bpr");
  auto const& kernels = row_kernels_for<T>(ctx);
  return pairwise("bpr", ctx, positive, negative, grad_positive, grad_negative,
                  [&](std::int64_t b, double share) {
                    return kernels.bpr(static_cast<Compute<T>>(positive[b]), negative.row_data(b),
                                       negative.cols, share, grad_negative.row_data(b));
                  });
}

#define RELWEAVE_INSTANTIATE(T)                                                           \
  template double margin<T>(HostContext const&, VectorView<T const>, MatrixView<T const>, \
                            MarginParams const&, VectorView<T>, MatrixView<T>);           \
  template double bpr<T>(HostContext const&, VectorView<T const>, MatrixView<T const>,    \
                         VectorView<T>, MatrixView<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(double);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::loss
