// The symbols of adam.cu in a build without CUDA: expect_cuda throws.

#include <relweave/optim/adam.hpp>

namespace relweave::optim {

DeviceAdam::DeviceAdam(CudaContext const& ctx, AdamConfig const&, std::int64_t, double) {
  expect_cuda("DeviceAdam", ctx);
}

void DeviceAdam::set_learning_rate(CudaContext const& ctx, double) {
  expect_cuda("DeviceAdam.set_learning_rate", ctx);
}

void DeviceAdam::step(CudaContext const& ctx, VectorView<float, Space::device>,
                      VectorView<float const, Space::device>) {
  expect_cuda("DeviceAdam.step", ctx);
}
void DeviceAdam::step(CudaContext const& ctx, VectorView<float, Space::device>,
                      VectorView<bfloat16 const, Space::device>) {
  expect_cuda("DeviceAdam.step", ctx);
}
void DeviceAdam::step_rows(CudaContext const& ctx, MatrixView<float, Space::device>,
                           VectorView<NodeId const, Space::device>,
                           MatrixView<float const, Space::device>) {
  expect_cuda("DeviceAdam.step_rows", ctx);
}
void DeviceAdam::step_rows(CudaContext const& ctx, MatrixView<float, Space::device>,
                           VectorView<NodeId const, Space::device>,
                           MatrixView<bfloat16 const, Space::device>) {
  expect_cuda("DeviceAdam.step_rows", ctx);
}

}  // namespace relweave::optim
