#include <relweave/loss/sampled_softmax.hpp>

#include <cmath>
#include <string>

#include <relweave/core/error.hpp>
#include <relweave/core/profile.hpp>

#include "row_kernels.hpp"
#include "row_losses.hpp"

namespace relweave::loss {

template <HostScalar T>
double sampled_softmax(HostContext const& ctx, In<MatrixView<T const>> scores,
                       In<Candidates<T>> const& candidates, SampledSoftmaxParams const& params,
                       In<VectorView<Compute<T> const>> row_weights, MatrixView<T> grad) {
  using C = Compute<T>;
  ProfileScope const profile("sampled_softmax");
  constexpr std::string_view here = "sampled_softmax";
  std::int64_t const n = scores.cols;
  expect_size(here, "candidates.target", candidates.target, scores.rows);
  expect_indices(here, "candidates.target", candidates.target, n);
  expect_size(here, "candidates.log_q", candidates.log_q, n);
  if (!candidates.count.empty()) {
    expect_size(here, "candidates.count", candidates.count, n);
    for (C const count : candidates.count) {
      if (!(count > 0)) {
        raise<ConfigError>(here, "candidates.count", std::to_string(count), "above 0");
      }
    }
  }
  for (std::int64_t c = 0; c < n; ++c) {
    if (!std::isfinite(candidates.log_q[c])) {
      raise<ConfigError>(here, "candidates.log_q",
                         std::to_string(candidates.log_q[c]) + " at position " + std::to_string(c),
                         "finite logarithms", "Count every item at least once.");
    }
  }
  if (!row_weights.empty()) {
    expect_size(here, "row_weights", row_weights, scores.rows);
    for (C const w : row_weights) {
      if (!(w >= 0) || std::isinf(w)) {
        raise<ConfigError>(here, "row_weights", std::to_string(w), "finite numbers from 0 on");
      }
    }
  }
  expect_shape(here, "grad", grad, scores.rows, n);
  if (!(params.temperature > 0) || std::isinf(params.temperature)) {
    raise<ConfigError>(here, "temperature", std::to_string(params.temperature), "above 0");
  }
  if (!std::isfinite(params.correction)) {
    raise<ConfigError>(here, "correction", std::to_string(params.correction), "a finite number");
  }

  Workspace::Scope scratch(scratch_of(ctx));
  auto const offset = scratch.vector<C>(n);  // of a column that is not the target
  auto const log_count = scratch.vector<C>(n);
  for (std::int64_t c = 0; c < n; ++c) {
    log_count[c] = candidates.count.empty() ? C{0} : std::log(candidates.count[c]);
    offset[c] = log_count[c] - static_cast<C>(params.correction) * candidates.log_q[c];
  }
  double total_weight = static_cast<double>(scores.rows);
  if (!row_weights.empty()) {
    total_weight = 0;
    for (C const w : row_weights) {
      total_weight += static_cast<double>(w);
    }
  }
  if (!(total_weight > 0)) {
    raise<ShapeError>(here, "row_weights", "a sum of " + std::to_string(total_weight),
                      "at least one row, with a positive total weight");
  }

  auto const inverse_temperature = static_cast<C>(1 / params.temperature);
  auto const& kernels = row_kernels_for<T>(ctx);
  return sum_rows(ctx, scores.rows, [&](std::int64_t b) {
    NodeId const target = candidates.target[b];
    double const weight = row_weights.empty() ? 1.0 : static_cast<double>(row_weights[b]);
    C const target_logit = static_cast<C>(scores(b, target)) * inverse_temperature +
                           offset[target] - log_count[target];
    Workspace::Scope of_row(scratch_of(HostContext{}));  // of the thread that runs it
    C* const logits = [&] {
      if constexpr (std::same_as<T, C>) {
        return grad.row_data(b);
      } else {
        return of_row.vector<C>(n).data;
      }
    }();
    return kernels.softmax(scores.row_data(b), offset.data, n, target, target_logit,
                           inverse_temperature, weight / total_weight, logits, grad.row_data(b));
  });
}

#define RELWEAVE_INSTANTIATE(T)                                                         \
  template double sampled_softmax<T>(HostContext const&, MatrixView<T const>,           \
                                     Candidates<T> const&, SampledSoftmaxParams const&, \
                                     VectorView<Compute<T> const>, MatrixView<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(double);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::loss
