#include <relweave/core/error.hpp>
#include <relweave/ops/segment_mean/segment_mean.hpp>

#include "sum_rows.cuh"

namespace relweave::ops {

namespace {

template <typename T>
using DeviceMatrix = MatrixView<T, Space::device>;

void expect_mean_or_sum(std::string_view here, SegmentMeanParams const& params) {
  if (params.reduce == Reduce::max) {
    raise<ConfigError>(here, "params.reduce", "max", "mean or sum");
  }
}

/// Null stands for ones.
float const* data_or_null(VectorView<float const, Space::device> values, bool given) {
  return given ? values.data : nullptr;
}

}  // namespace

template <DeviceScalar T>
void segment_mean(CudaContext const& ctx, DeviceSegments const& segments,
                  In<MatrixView<T const, Space::device>> x, SegmentMeanParams const& params,
                  MatrixView<T, Space::device> out) {
  constexpr std::string_view here = "segment_mean";
  expect_cuda(here, ctx);
  expect_mean_or_sum(here, params);
  expect_rows(here, "segments", segments.entry_rows(), x.rows);
  expect_shape(here, "out", out, segments.entry_segments().rows(), x.cols);
  sum_rows<T>(ctx, here,
              {.to = segments.entry_segments().inverse(),
               .sources = segments.entry_rows().view().data,
               .weights = data_or_null(segments.weights(), !segments.weights().empty()),
               .scales = data_or_null(segments.scales(), params.reduce == Reduce::mean),
               .from = x,
               .accumulate = params.accumulate,
               .out = out});
}

template <DeviceScalar T>
void segment_mean_backward(CudaContext const& ctx, DeviceSegments const& segments,
                           In<MatrixView<T const, Space::device>> grad_out,
                           SegmentMeanParams const& params, MatrixView<T, Space::device> grad_x) {
  constexpr std::string_view here = "segment_mean_backward";
  expect_cuda(here, ctx);
  expect_mean_or_sum(here, params);
  expect_rows(here, "segments", segments.entry_rows(), grad_x.rows);
  expect_shape(here, "grad_out", grad_out, segments.entry_segments().rows(), grad_x.cols);
  sum_rows<T>(ctx, here,
              {.to = segments.entry_rows().inverse(),
               .sources = segments.entry_segments().view().data,
               .weights = data_or_null(segments.weights(), !segments.weights().empty()),
               .source_scales = data_or_null(segments.scales(), params.reduce == Reduce::mean),
               .from = grad_out,
               .out = grad_x});
}

#define RELWEAVE_INSTANTIATE(T)                                                                   \
  template void segment_mean<T>(CudaContext const&, DeviceSegments const&, DeviceMatrix<T const>, \
                                SegmentMeanParams const&, DeviceMatrix<T>);                       \
  template void segment_mean_backward<T>(CudaContext const&, DeviceSegments const&,               \
                                         DeviceMatrix<T const>, SegmentMeanParams const&,         \
                                         DeviceMatrix<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
