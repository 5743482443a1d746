#include <relweave/loss/dot_product.hpp>

#include <string>

#include <relweave/core/error.hpp>
#include <relweave/core/profile.hpp>

#include "row_kernels.hpp"
#include "row_losses.hpp"

namespace relweave::loss {

template <HostScalar T>
double dot_product(HostContext const& ctx, In<MatrixView<T const>> scores,
                   In<VectorView<NodeId const>> target, In<VectorView<Compute<T> const>> weights,
                   MatrixView<T> grad) {
  ProfileScope const profile("dot_product");
  constexpr std::string_view here = "dot_product";
  expect_size(here, "target", target, scores.rows);
  expect_indices(here, "target", target, scores.cols);
  expect_size(here, "weights", weights, scores.cols);
  expect_shape(here, "grad", grad, scores.rows, scores.cols);
  if (scores.rows == 0) {
    raise<ShapeError>(here, "scores", "no row", "at least one");
  }
  double total_weight = 0;
  for (Compute<T> const w : weights) {
    if (!(w >= 0)) {
      raise<ConfigError>(here, "weights", std::to_string(w), "0 or more");
    }
    total_weight += static_cast<double>(w);
  }
  double const share = 1.0 / static_cast<double>(scores.rows);
  auto const& kernels = row_kernels_for<T>(ctx);
  return share * sum_rows(ctx, scores.rows, [&](std::int64_t b) {
           NodeId const t = target[b];
           double const others = total_weight - static_cast<double>(weights[t]);
           double const scale = others > 0 ? 1 / others : 0.0;  // no negative: nothing to push away
           return kernels.dot_product(scores.row_data(b), weights.data, scores.cols, t, scale,
                                      share, grad.row_data(b));
         });
}

#define RELWEAVE_INSTANTIATE(T)                                                          \
  template double dot_product<T>(HostContext const&, MatrixView<T const>,                \
                                 VectorView<NodeId const>, VectorView<Compute<T> const>, \
                                 MatrixView<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(double);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::loss
