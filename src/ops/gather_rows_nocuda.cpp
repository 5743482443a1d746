// The symbols of gather_rows.cu in a build without CUDA: expect_cuda throws.

#include <relweave/ops/gather_rows/gather_rows.hpp>

namespace relweave::ops {

template <DeviceScalar T>
void gather_rows(CudaContext const& ctx, In<MatrixView<T const, Space::device>>,
                 In<VectorView<NodeId const, Space::device>>, MatrixView<T, Space::device>) {
  expect_cuda("gather_rows", ctx);
}

template <DeviceScalar T>
void scatter_rows(CudaContext const& ctx, In<MatrixView<T const, Space::device>>,
                  DeviceIndices const&, MatrixView<T, Space::device>) {
  expect_cuda("scatter_rows", ctx);
}

template <typename T>
using DeviceMatrix = MatrixView<T, Space::device>;

#define RELWEAVE_INSTANTIATE(T)                                                                  \
  template void gather_rows<T>(CudaContext const&, DeviceMatrix<T const>,                        \
                               VectorView<NodeId const, Space::device>, DeviceMatrix<T>);        \
  template void scatter_rows<T>(CudaContext const&, DeviceMatrix<T const>, DeviceIndices const&, \
                                DeviceMatrix<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
