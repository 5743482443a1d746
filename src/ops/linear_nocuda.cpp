// The symbols of linear.cu in a build without CUDA: expect_cuda throws.

#include <relweave/ops/linear/linear.hpp>

namespace relweave::ops {

template <typename T>
using DeviceMatrix = MatrixView<T, Space::device>;
template <typename T>
using DeviceVector = VectorView<T, Space::device>;

template <DeviceScalar T>
void matmul(CudaContext const& ctx, In<DeviceMatrix<T const>>, In<DeviceMatrix<T const>>,
            MatmulParams const&, DeviceMatrix<T>) {
  expect_cuda("matmul", ctx);
}

template <DeviceScalar T>
void linear(CudaContext const& ctx, In<DeviceMatrix<T const>>, In<DeviceMatrix<T const>>,
            In<DeviceVector<T const>>, LinearParams const&, DeviceMatrix<T>) {
  expect_cuda("linear", ctx);
}

template <DeviceScalar T>
void linear_backward(CudaContext const& ctx, In<DeviceMatrix<T const>>, In<DeviceMatrix<T const>>,
                     In<DeviceMatrix<T const>>, In<DeviceMatrix<T const>>, LinearParams const&,
                     DeviceLinearGradients<T> const&) {
  expect_cuda("linear_backward", ctx);
}

std::int64_t linear_workspace() {
  return 0;
}

std::int64_t linear_backward_workspace(std::int64_t, std::int64_t, std::int64_t) {
  return 0;
}

#define RELWEAVE_INSTANTIATE(T)                                                                \
  template void matmul<T>(CudaContext const&, DeviceMatrix<T const>, DeviceMatrix<T const>,    \
                          MatmulParams const&, DeviceMatrix<T>);                               \
  template void linear<T>(CudaContext const&, DeviceMatrix<T const>, DeviceMatrix<T const>,    \
                          DeviceVector<T const>, LinearParams const&, DeviceMatrix<T>);        \
  template void linear_backward<T>(                                                            \
      CudaContext const&, DeviceMatrix<T const>, DeviceMatrix<T const>, DeviceMatrix<T const>, \
      DeviceMatrix<T const>, LinearParams const&, DeviceLinearGradients<T> const&)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
