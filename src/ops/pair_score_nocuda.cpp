// The symbols of pair_score.cu in a build without CUDA: expect_cuda throws.

#include <relweave/ops/pair_score/pair_score.hpp>

namespace relweave::ops {

template <DeviceScalar T>
void pair_score(CudaContext const& ctx, In<MatrixView<T const, Space::device>>,
                In<VectorView<NodeId const, Space::device>>, In<MatrixView<T const, Space::device>>,
                In<VectorView<NodeId const, Space::device>>, VectorView<float, Space::device>) {
  expect_cuda("pair_score", ctx);
}

template <DeviceScalar T>
void pair_score_backward(CudaContext const& ctx, In<MatrixView<T const, Space::device>>,
                         DeviceIndices const&, In<MatrixView<T const, Space::device>>,
                         DeviceIndices const&, In<VectorView<float const, Space::device>>,
                         MatrixView<T, Space::device>, MatrixView<T, Space::device>) {
  expect_cuda("pair_score_backward", ctx);
}

template <typename T>
using DeviceMatrix = MatrixView<T, Space::device>;

#define RELWEAVE_INSTANTIATE(T)                                                               \
  template void pair_score<T>(CudaContext const&, DeviceMatrix<T const>,                      \
                              VectorView<NodeId const, Space::device>, DeviceMatrix<T const>, \
                              VectorView<NodeId const, Space::device>,                        \
                              VectorView<float, Space::device>);                              \
  template void pair_score_backward<T>(                                                       \
      CudaContext const&, DeviceMatrix<T const>, DeviceIndices const&, DeviceMatrix<T const>, \
      DeviceIndices const&, VectorView<float const, Space::device>, DeviceMatrix<T>,          \
      DeviceMatrix<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
