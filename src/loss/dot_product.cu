#include <relweave/core/error.hpp>
#include <relweave/loss/dot_product.hpp>

#include "row_losses.cuh"

namespace relweave::loss {

namespace {

template <int lanes, typename T>
__global__ void __launch_bounds__(block_threads, 4)
    dot_product_rows(MatrixView<T const, Space::device> scores, NodeId const* target,
                     float const* weights, double const* total_weight,
                     MatrixView<T, Space::device> grad, double* losses) {
  Team<lanes> const team;
  float const share = static_cast<float>(1.0 / static_cast<double>(scores.rows));
  for (std::int64_t b = team.first; b < scores.rows; b += team.count) {
    std::int64_t const t = __ldg(target + b);
    double const others = *total_weight - static_cast<double>(__ldg(weights + t));
    // No negative: nothing to push away.
    float const scale = others > 0 ? static_cast<float>(1 / others) : 0.0F;
    float const positive = widen(scores.row_data(b)[t]);
    team.sync();  // grad may be scores
    T* const to = grad.row_data(b);
    double negative = 0;
    for_columns<lanes>(team.lane, scores.row_data(b), scores.cols,
                       [&](std::int64_t n, float score) {
                         if (n == t) {
                           to[n] = static_cast<T>(-share);
                         } else {
                           float const w = __ldg(weights + n) * scale;
                           negative += w * score;
                           to[n] = static_cast<T>(share * w);
                         }
                       });
    negative = team.sum(negative);
    if (team.lane == 0) {
      losses[b] = negative - static_cast<double>(positive);
    }
  }
}

}  // namespace

template <DeviceScalar T>
void dot_product(CudaContext const& ctx, In<MatrixView<T const, Space::device>> scores,
                 In<VectorView<NodeId const, Space::device>> target,
                 In<VectorView<float const, Space::device>> weights,
                 MatrixView<T, Space::device> grad, VectorView<double, Space::device> loss) {
  constexpr std::string_view here = "dot_product";
  expect_cuda(here, ctx);
  expect_size(here, "target", target, scores.rows);
  expect_size(here, "weights", weights, scores.cols);
  expect_shape(here, "grad", grad, scores.rows, scores.cols);
  expect_size(here, "loss", loss, 1);
  if (scores.empty()) {
    raise<ShapeError>(here, "scores", "shape " + shape_string(scores.rows, scores.cols),
                      "at least one row and one column");
  }
  DeviceGuard const guard(ctx.device);
  DeviceWorkspace::Scope scratch(ctx.workspace, here);
  auto const losses = scratch.vector<double>(scores.rows);
  auto const total_weight = scratch.vector<double>(1);
  launch_sum(ctx, here, weights, 1, total_weight.data);
  with_team(scores.cols, [&](auto lanes) {
    RELWEAVE_LAUNCH((dot_product_rows<lanes, T>), cuda::grid_of(here, ctx, scores.rows, lanes),
                    block_threads, 0, ctx.stream, scores, target.data, weights.data,
                    total_weight.data, grad, losses.data);
    cuda::check_launch(here);
  });
  launch_sum<double>(ctx, here, losses, 1.0 / static_cast<double>(scores.rows), loss.data);
}

#define RELWEAVE_INSTANTIATE(T)                                                        \
  template void dot_product<T>(CudaContext const&, MatrixView<T const, Space::device>, \
                               VectorView<NodeId const, Space::device>,                \
                               VectorView<float const, Space::device>,                 \
                               MatrixView<T, Space::device>, VectorView<double, Space::device>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::loss
