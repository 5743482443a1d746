// The symbols of top_k.cu in a build without CUDA: expect_cuda throws.

#include <relweave/ops/top_k/top_k.hpp>

namespace relweave::ops {

template <DeviceScalar T>
void top_k_merge(CudaContext const& ctx, In<MatrixView<T const, Space::device>>, NodeId,
                 MatrixView<NodeId, Space::device>, MatrixView<T, Space::device>) {
  expect_cuda("top_k_merge", ctx);
}

template <DeviceScalar T>
void top_k(CudaContext const& ctx, In<MatrixView<T const, Space::device>>,
           MatrixView<NodeId, Space::device>, MatrixView<T, Space::device>) {
  expect_cuda("top_k", ctx);
}

#define RELWEAVE_INSTANTIATE(T)                                                                \
  template void top_k<T>(CudaContext const&, MatrixView<T const, Space::device>,               \
                         MatrixView<NodeId, Space::device>, MatrixView<T, Space::device>);     \
  template void top_k_merge<T>(CudaContext const&, MatrixView<T const, Space::device>, NodeId, \
                               MatrixView<NodeId, Space::device>, MatrixView<T, Space::device>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
