#pragma once

#include <vector>

#include <relweave/ops/segment_mean/segment_mean.hpp>

namespace relweave::ops::reference {

namespace detail {

template <Scalar T>
double weight_of(Segments<T> const& segments, std::int64_t entry) {
  return segments.weights.empty() ? 1.0 : static_cast<double>(segments.weights[entry]);
}

/// What the sum of a segment is multiplied by.
template <Scalar T>
double segment_scale(Segments<T> const& segments, std::int64_t s, Reduce reduce) {
  if (reduce == Reduce::sum) {
    return 1.0;
  }
  double total = 0;
  for (std::int64_t e = segments.offsets[s]; e < segments.offsets[s + 1]; ++e) {
    total += weight_of(segments, e);
  }
  return total == 0 ? 0.0 : 1.0 / total;
}

}  // namespace detail

/// segment_mean on one thread, accumulating in double.
template <Scalar T>
void segment_mean(Segments<T> const& segments, In<MatrixView<T const>> x,
                  SegmentMeanParams const& params, MatrixView<T> out) {
  for (std::int64_t s = 0; s < out.rows; ++s) {
    double const scale = detail::segment_scale(segments, s, params.reduce);
    for (std::int64_t f = 0; f < out.cols; ++f) {
      double sum = 0;
      for (std::int64_t e = segments.offsets[s]; e < segments.offsets[s + 1]; ++e) {
        sum += detail::weight_of(segments, e) * static_cast<double>(x(segments.indices[e], f));
      }
      double const before = params.accumulate ? static_cast<double>(out(s, f)) : 0.0;
      out(s, f) = static_cast<T>(before + scale * sum);
    }
  }
}

/// segment_mean_backward on one thread, accumulating in double.
template <Scalar T>
void segment_mean_backward(Segments<T> const& segments, In<MatrixView<T const>> grad_out,
                           SegmentMeanParams const& params, MatrixView<T> grad_x) {
  std::int64_t const d = grad_x.cols;
  std::vector<double> sums(static_cast<std::size_t>(grad_x.rows * d), 0.0);
  for (std::int64_t s = 0; s < grad_out.rows; ++s) {
    double const scale = detail::segment_scale(segments, s, params.reduce);
    for (std::int64_t e = segments.offsets[s]; e < segments.offsets[s + 1]; ++e) {
      for (std::int64_t f = 0; f < d; ++f) {
        sums[static_cast<std::size_t>(segments.indices[e] * d + f)] +=
            scale * detail::weight_of(segments, e) * static_cast<double>(grad_out(s, f));
      }
    }
  }
  for (std::int64_t j = 0; j < grad_x.rows; ++j) {
    for (std::int64_t f = 0; f < d; ++f) {
      grad_x(j, f) = static_cast<T>(sums[static_cast<std::size_t>(j * d + f)]);
    }
  }
}

}  // namespace relweave::ops::reference
