// The symbols of sampled_softmax.cu in a build without CUDA: expect_cuda throws.

#include <relweave/loss/sampled_softmax.hpp>

namespace relweave::loss {

template <DeviceScalar T>
void sampled_softmax(CudaContext const& ctx, In<MatrixView<T const, Space::device>>,
                     DeviceCandidates const&, SampledSoftmaxParams const&,
                     In<VectorView<float const, Space::device>>, MatrixView<T, Space::device>,
                     VectorView<double, Space::device>) {
  expect_cuda("sampled_softmax", ctx);
}

#define RELWEAVE_INSTANTIATE(T)                                                        \
  template void sampled_softmax<T>(                                                    \
      CudaContext const&, MatrixView<T const, Space::device>, DeviceCandidates const&, \
      SampledSoftmaxParams const&, VectorView<float const, Space::device>,             \
      MatrixView<T, Space::device>, VectorView<double, Space::device>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::loss
