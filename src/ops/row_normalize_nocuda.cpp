// The symbols of row_normalize.cu in a build without CUDA: expect_cuda throws.

#include <relweave/ops/row_normalize/row_normalize.hpp>

namespace relweave::ops {

template <DeviceScalar T>
void row_normalize(CudaContext const& ctx, In<MatrixView<T const, Space::device>>,
                   MatrixView<T, Space::device>, In<VectorView<float, Space::device>>) {
  expect_cuda("row_normalize", ctx);
}

template <DeviceScalar T>
void row_normalize_backward(CudaContext const& ctx, In<MatrixView<T const, Space::device>>,
                            In<VectorView<float const, Space::device>>,
                            In<MatrixView<T const, Space::device>>, MatrixView<T, Space::device>) {
  expect_cuda("row_normalize_backward", ctx);
}

template <typename T>
using DeviceMatrix = MatrixView<T, Space::device>;

#define RELWEAVE_INSTANTIATE(T)                                                              \
  template void row_normalize<T>(CudaContext const&, DeviceMatrix<T const>, DeviceMatrix<T>, \
                                 VectorView<float, Space::device>);                          \
  template void row_normalize_backward<T>(CudaContext const&, DeviceMatrix<T const>,         \
                                          VectorView<float const, Space::device>,            \
                                          DeviceMatrix<T const>, DeviceMatrix<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
