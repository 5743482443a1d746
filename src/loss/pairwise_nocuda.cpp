// The symbols of pairwise.cu in a build without CUDA: expect_cuda throws.

#include <relweave/loss/bpr.hpp>
#include <relweave/loss/margin.hpp>

namespace relweave::loss {

template <DeviceScalar T>
void margin(CudaContext const& ctx, In<VectorView<T const, Space::device>>,
            In<MatrixView<T const, Space::device>>, MarginParams const&,
            VectorView<T, Space::device>, MatrixView<T, Space::device>,
            VectorView<double, Space::device>) {
  expect_cuda("margin", ctx);
}

template <DeviceScalar T>
void bpr(CudaContext const& ctx, In<VectorView<T const, Space::device>>,
         In<MatrixView<T const, Space::device>>, VectorView<T, Space::device>,
         MatrixView<T, Space::device>, VectorView<double, Space::device>) {
  expect_cuda("bpr", ctx);
}

#define RELWEAVE_INSTANTIATE(T)                                                          \
  template void margin<T>(CudaContext const&, VectorView<T const, Space::device>,        \
                          MatrixView<T const, Space::device>, MarginParams const&,       \
                          VectorView<T, Space::device>, MatrixView<T, Space::device>,    \
                          VectorView<double, Space::device>);                            \
  template void bpr<T>(CudaContext const&, VectorView<T const, Space::device>,           \
                       MatrixView<T const, Space::device>, VectorView<T, Space::device>, \
                       MatrixView<T, Space::device>, VectorView<double, Space::device>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::loss
