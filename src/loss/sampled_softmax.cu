#include <string>

#include <relweave/core/error.hpp>
#include <relweave/loss/sampled_softmax.hpp>

#include "row_losses.cuh"

namespace relweave::loss {

namespace {

/// What is added to the logits of each column: where it is not a row's target, and where it is.
struct Offsets {
  float* other;
  float* target;
};

__global__ void __launch_bounds__(block_threads)
    column_offsets(VectorView<float const, Space::device> log_q, float const* count,
                   float correction, Offsets offsets) {
  std::int64_t const first = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  std::int64_t const stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t c = first; c < log_q.size; c += stride) {
    float const corrected = -correction * log_q.data[c];
    offsets.target[c] = corrected;
    offsets.other[c] = count == nullptr ? corrected : logf(count[c]) + corrected;
  }
}

template <int lanes, typename T>
__global__ void __launch_bounds__(block_threads, 4)
    softmax_rows(MatrixView<T const, Space::device> scores, NodeId const* target, Offsets offsets,
                 float inverse_temperature, float const* row_weights, double const* total_weight,
                 MatrixView<T, Space::device> grad, double* losses) {
  Team<lanes> const team;
  double const total = total_weight == nullptr ? static_cast<double>(scores.rows) : *total_weight;
  for (std::int64_t b = team.first; b < scores.rows; b += team.count) {
    std::int64_t const t = __ldg(target + b);
    T const* const from = scores.row_data(b);
    float const target_logit = widen(from[t]) * inverse_temperature + offsets.target[t];
    auto const logit = [&](std::int64_t c, float score) {
      return c == t ? target_logit : score * inverse_temperature + offsets.other[c];
    };
    float largest = target_logit;
    for_columns<lanes>(team.lane, from, scores.cols, [&](std::int64_t c, float score) {
      largest = fmaxf(largest, logit(c, score));
    });
    largest = team.max(largest);
    double sum = 0;
    for_columns<lanes>(team.lane, from, scores.cols, [&](std::int64_t c, float score) {
      sum += static_cast<double>(expf(logit(c, score) - largest));
    });
    sum = team.sum(sum);
    double const weight =
        row_weights == nullptr ? 1.0 : static_cast<double>(__ldg(row_weights + b));
    double const share = weight / total;
    float const inverse_sum = static_cast<float>(1 / sum);
    float const scale = static_cast<float>(share) * inverse_temperature;
    T* const to = grad.row_data(b);  // may be the scores: all lanes have read the target's
    for_columns<lanes>(team.lane, from, scores.cols, [&](std::int64_t c, float score) {
      float const probability = expf(logit(c, score) - largest) * inverse_sum;
      to[c] = static_cast<T>((c == t ? probability - 1.0F : probability) * scale);
    });
    if (team.lane == 0) {
      losses[b] = share * (log(sum) - static_cast<double>(target_logit - largest));
    }
  }
}

}  // namespace

template <DeviceScalar T>
void sampled_softmax(CudaContext const& ctx, In<MatrixView<T const, Space::device>> scores,
                     DeviceCandidates const& candidates, SampledSoftmaxParams const& params,
                     In<VectorView<float const, Space::device>> row_weights,
                     MatrixView<T, Space::device> grad, VectorView<double, Space::device> loss) {
  constexpr std::string_view here = "sampled_softmax";
  std::int64_t const n = scores.cols;
  expect_cuda(here, ctx);
  expect_size(here, "candidates.target", candidates.target, scores.rows);
  expect_size(here, "candidates.log_q", candidates.log_q, n);
  if (!candidates.count.empty()) {
    expect_size(here, "candidates.count", candidates.count, n);
  }
  if (!row_weights.empty()) {
    expect_size(here, "row_weights", row_weights, scores.rows);
  }
  expect_shape(here, "grad", grad, scores.rows, n);
  expect_size(here, "loss", loss, 1);
  if (scores.empty()) {
    raise<ShapeError>(here, "scores", "shape " + shape_string(scores.rows, n),
                      "at least one row and one column");
  }
  if (!(params.temperature > 0)) {
    raise<ConfigError>(here, "temperature", std::to_string(params.temperature), "above 0");
  }
  DeviceGuard const guard(ctx.device);
  DeviceWorkspace::Scope scratch(ctx.workspace, here);
  auto const losses = scratch.vector<double>(scores.rows);
  Offsets const offsets{scratch.vector<float>(n).data, scratch.vector<float>(n).data};
  double* total_weight = nullptr;
  if (!row_weights.empty()) {
    total_weight = scratch.vector<double>(1).data;
    launch_sum(ctx, here, row_weights, 1, total_weight);
  }
  float const* const count = candidates.count.empty() ? nullptr : candidates.count.data;
  RELWEAVE_LAUNCH(column_offsets, cuda::grid_of(here, ctx, n, 1), block_threads, 0, ctx.stream,
                  candidates.log_q, count, static_cast<float>(params.correction), offsets);
  cuda::check_launch(here);
  with_team(n, [&](auto lanes) {
    RELWEAVE_LAUNCH((softmax_rows<lanes, T>), cuda::grid_of(here, ctx, scores.rows, lanes),
                    block_threads, 0, ctx.stream, scores, candidates.target.data, offsets,
                    static_cast<float>(1 / params.temperature),
                    total_weight == nullptr ? nullptr : row_weights.data, total_weight, grad,
                    losses.data);
    cuda::check_launch(here);
  });
  launch_sum<double>(ctx, here, losses, 1, loss.data);
}

#define RELWEAVE_INSTANTIATE(T)                                                        \
  template void sampled_softmax<T>(                                                    \
      CudaContext const&, MatrixView<T const, Space::device>, DeviceCandidates const&, \
      SampledSoftmaxParams const&, VectorView<float const, Space::device>,             \
      MatrixView<T, Space::device>, VectorView<double, Space::device>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::loss
