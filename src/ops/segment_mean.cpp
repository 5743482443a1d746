#include <relweave/ops/segment_mean/segment_mean.hpp>

#include <algorithm>
#include <string>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/ops/detail/row_kernels.hpp>

namespace relweave::ops {

namespace {

template <typename T>
void check(std::string_view here, Segments<T> const& segments, std::string_view pooled_name,
           MatrixView<T const> pooled, MatrixView<T const> table, Reduce reduce) {
  if (reduce == Reduce::max) {
    raise<ConfigError>(here, "params.reduce", "max", "mean or sum");
  }
  expect_shape(here, pooled_name, pooled, segments.offsets.size - 1, table.cols);
  if (!segments.weights.empty()) {
    expect_size(here, "segments.weights", segments.weights, segments.indices.size);
  }
  auto const& offsets = segments.offsets;
  for (std::int64_t s = 0; s < pooled.rows; ++s) {
    if (offsets[s] > offsets[s + 1]) {
      raise<IndexError>(here, "segments.offsets",
                        std::to_string(offsets[s + 1]) + " after " + std::to_string(offsets[s]),
                        "offsets that do not descend");
    }
  }
  std::int64_t const first = offsets[0];
  std::int64_t const last = offsets[pooled.rows];
  if (first < 0 || last > segments.indices.size) {
    raise<IndexError>(here, "segments.offsets",
                      std::to_string(first) + " to " + std::to_string(last),
                      "offsets in [0, " + std::to_string(segments.indices.size) +
                          "], the number of segments.indices");
  }
  expect_indices(here, "segments.indices", segments.indices.slice(first, last - first), table.rows);
}

/// What the sum of segment `s` is multiplied by.
template <typename T>
T scale_of(Segments<T> const& segments, std::int64_t s, Reduce reduce) {
  std::int64_t const begin = segments.offsets[s];
  std::int64_t const end = segments.offsets[s + 1];
  if (reduce == Reduce::sum) {
    return 1;
  }
  T total = segments.weights.empty() ? static_cast<T>(end - begin) : T{0};
  if (!segments.weights.empty()) {
    for (std::int64_t e = begin; e < end; ++e) {
      total += segments.weights[e];
    }
  }
  return total == 0 ? T{0} : 1 / total;
}

}  // namespace

template <Scalar T>
void segment_mean(HostContext const& ctx, Segments<T> const& segments, In<MatrixView<T const>> x,
                  SegmentMeanParams const& params, MatrixView<T> out) {
  check<T>("segment_mean", segments, "out", out, x, params.reduce);
  auto const& kernels = detail::row_kernels<T>(ctx);
  parallel_for_blocks(ctx, out.rows, 64, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t s = first; s < last; ++s) {
      std::int64_t const begin = segments.offsets[s];
      if (!params.accumulate) {
        std::fill_n(out.row_data(s), out.cols, T{0});
      }
      kernels.add_sum(
          {segments.indices.data + begin, segments.offsets[s + 1] - begin, x.data, x.stride},
          segments.weights.empty() ? nullptr : segments.weights.data + begin,
          scale_of(segments, s, params.reduce), out.cols, out.row_data(s));
    }
  });
}

template <Scalar T>
void segment_mean_backward(HostContext const& ctx, Segments<T> const& segments,
                           In<MatrixView<T const>> grad_out, SegmentMeanParams const& params,
                           MatrixView<T> grad_x) {
  check<T>("segment_mean_backward", segments, "grad_out", grad_out, grad_x, params.reduce);
  auto const& kernels = detail::row_kernels<T>(ctx);
  parallel_for_blocks(ctx, grad_x.cols, 64, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t j = 0; j < grad_x.rows; ++j) {
      std::fill_n(grad_x.row_data(j) + first, last - first, T{0});
    }
    for (std::int64_t s = 0; s < grad_out.rows; ++s) {
      T const scale = scale_of(segments, s, params.reduce);
      for (std::int64_t e = segments.offsets[s]; e < segments.offsets[s + 1]; ++e) {
        kernels.axpy(scale * (segments.weights.empty() ? T{1} : segments.weights[e]),
                     grad_out.row_data(s) + first, last - first,
                     grad_x.row_data(segments.indices[e]) + first);
      }
    }
  });
}

#define RELWEAVE_INSTANTIATE(T)                                                              \
  template void segment_mean<T>(HostContext const&, Segments<T> const&, MatrixView<T const>, \
                                SegmentMeanParams const&, MatrixView<T>);                    \
  template void segment_mean_backward<T>(HostContext const&, Segments<T> const&,             \
                                         MatrixView<T const>, SegmentMeanParams const&,      \
                                         MatrixView<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(double);

}  // namespace relweave::ops
