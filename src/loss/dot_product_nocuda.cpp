// The symbols of dot_product.cu in a build without CUDA: expect_cuda throws.

#include <relweave/loss/dot_product.hpp>

namespace relweave::loss {

template <DeviceScalar T>
void dot_product(CudaContext const& ctx, In<MatrixView<T const, Space::device>>,
                 In<VectorView<NodeId const, Space::device>>,
                 In<VectorView<float const, Space::device>>, MatrixView<T, Space::device>,
                 VectorView<double, Space::device>) {
  expect_cuda("dot_product", ctx);
}

#define RELWEAVE_INSTANTIATE(T)                                                        \
  template void dot_product<T>(CudaContext const&, MatrixView<T const, Space::device>, \
                               VectorView<NodeId const, Space::device>,                \
                               VectorView<float const, Space::device>,                 \
                               MatrixView<T, Space::device>, VectorView<double, Space::device>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::loss
