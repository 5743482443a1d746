// The symbols of segment_mean.cu in a build without CUDA: expect_cuda throws.

#include <relweave/ops/segment_mean/segment_mean.hpp>

namespace relweave::ops {

template <DeviceScalar T>
void segment_mean(CudaContext const& ctx, DeviceSegments const&,
                  In<MatrixView<T const, Space::device>>, SegmentMeanParams const&,
                  MatrixView<T, Space::device>) {
  expect_cuda("segment_mean", ctx);
}

template <DeviceScalar T>
void segment_mean_backward(CudaContext const& ctx, DeviceSegments const&,
                           In<MatrixView<T const, Space::device>>, SegmentMeanParams const&,
                           MatrixView<T, Space::device>) {
  expect_cuda("segment_mean_backward", ctx);
}

template <typename T>
using DeviceMatrix = MatrixView<T, Space::device>;

#define RELWEAVE_INSTANTIATE(T)                                                                   \
  template void segment_mean<T>(CudaContext const&, DeviceSegments const&, DeviceMatrix<T const>, \
                                SegmentMeanParams const&, DeviceMatrix<T>);                       \
  template void segment_mean_backward<T>(CudaContext const&, DeviceSegments const&,               \
                                         DeviceMatrix<T const>, SegmentMeanParams const&,         \
                                         DeviceMatrix<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
