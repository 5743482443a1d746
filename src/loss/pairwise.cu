#include <cmath>
#include <string>

#include <relweave/core/error.hpp>
#include <relweave/loss/bpr.hpp>
#include <relweave/loss/margin.hpp>

#include "row_losses.cuh"

namespace relweave::loss {

namespace {

struct Hinge {
  float margin;

  __device__ float value(float d) const { return d + margin <= 0 ? 0.0F : d + margin; }
  __device__ float slope(float d) const { return d + margin > 0 ? 1.0F : 0.0F; }
};

struct Logistic {
  __device__ float value(float d) const { return fmaxf(d, 0.0F) + log1pf(expf(-fabsf(d))); }
  __device__ float slope(float d) const { return 1 / (1 + expf(-d)); }
};

template <int lanes, typename T, typename Pair>
__global__ void __launch_bounds__(block_threads, 4)
    pair_losses(T const* positive, MatrixView<T const, Space::device> negative, Pair pair,
                T* grad_positive, MatrixView<T, Space::device> grad_negative, double* losses) {
  Team<lanes> const team;
  float const share =
      static_cast<float>(1.0 / (static_cast<double>(negative.rows) * negative.cols));
  for (std::int64_t b = team.first; b < negative.rows; b += team.count) {
    float const anchor = widen(positive[b]);
    T* const grad = grad_negative.row_data(b);
    double loss = 0;
    double slope = 0;
    for_columns<lanes>(team.lane, negative.row_data(b), negative.cols,
                       [&](std::int64_t n, float score) {
                         float const d = score - anchor;
                         float const g = pair.slope(d);
                         loss += pair.value(d);
                         slope += g;
                         grad[n] = static_cast<T>(share * g);
                       });
    loss = team.sum(loss);
    slope = team.sum(slope);
    if (team.lane == 0) {
      losses[b] = loss;
      grad_positive[b] = static_cast<T>(static_cast<float>(-share * slope));
    }
  }
}

template <typename T, typename Pair>
void pairwise(std::string_view here, CudaContext const& ctx,
              VectorView<T const, Space::device> positive,
              MatrixView<T const, Space::device> negative, Pair const& pair,
              VectorView<T, Space::device> grad_positive,
              MatrixView<T, Space::device> grad_negative, VectorView<double, Space::device> loss) {
  expect_cuda(here, ctx);
  expect_shape(here, "negative", negative, positive.size, negative.cols);
  expect_size(here, "grad_positive", grad_positive, positive.size);
  expect_shape(here, "grad_negative", grad_negative, negative.rows, negative.cols);
  expect_size(here, "loss", loss, 1);
  if (negative.empty()) {
    raise<ShapeError>(here, "negative", "shape " + shape_string(negative.rows, negative.cols),
                      "at least one example and one negative");
  }
  DeviceGuard const guard(ctx.device);
  DeviceWorkspace::Scope scratch(ctx.workspace, here);
  auto const losses = scratch.vector<double>(negative.rows);
  with_team(negative.cols, [&](auto lanes) {
    RELWEAVE_LAUNCH((pair_losses<lanes, T, Pair>), cuda::grid_of(here, ctx, negative.rows, lanes),
                    block_threads, 0, ctx.stream, positive.data, negative, pair, grad_positive.data,
                    grad_negative, losses.data);
    cuda::check_launch(here);
  });
  double const share =
      1.0 / (static_cast<double>(negative.rows) * static_cast<double>(negative.cols));
  launch_sum<double>(ctx, here, losses, share, loss.data);
}

}  // namespace

template <DeviceScalar T>
void margin(CudaContext const& ctx, In<VectorView<T const, Space::device>> positive,
            In<MatrixView<T const, Space::device>> negative, MarginParams const& params,
            VectorView<T, Space::device> grad_positive, MatrixView<T, Space::device> grad_negative,
            VectorView<double, Space::device> loss) {
  if (!std::isfinite(params.margin)) {
    raise<ConfigError>("margin", "margin", std::to_string(params.margin), "a finite number");
  }
  pairwise("margin", ctx, positive, negative, Hinge{static_cast<float>(params.margin)},
           grad_positive, grad_negative, loss);
}

template <DeviceScalar T>
void bpr(CudaContext const& ctx, In<VectorView<T const, Space::device>> positive,
         In<MatrixView<T const, Space::device>> negative,
         VectorView<T, Space::device> grad_positive, MatrixView<T, Space::device> grad_negative,
         VectorView<double, Space::device> loss) {
  pairwise("bpr", ctx, positive, negative, Logistic{}, grad_positive, grad_negative, loss);
}

#define RELWEAVE_INSTANTIATE(T)                                                          \
  template void margin<T>(CudaContext const&, VectorView<T const, Space::device>,        \
                          MatrixView<T const, Space::device>, MarginParams const&,       \
                          VectorView<T, Space::device>, MatrixView<T, Space::device>,    \
                          VectorView<double, Space::device>);                            \
  template void bpr<T>(CudaContext const&, VectorView<T const, Space::device>,           \
                       MatrixView<T const, Space::device>, VectorView<T, Space::device>, \
                       MatrixView<T, Space::device>, VectorView<double, Space::device>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::loss
