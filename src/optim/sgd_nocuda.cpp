// The symbols of sgd.cu in a build without CUDA: expect_cuda throws.

#include <relweave/optim/sgd.hpp>

namespace relweave::optim {

DeviceSgd::DeviceSgd(CudaContext const& ctx, SgdConfig const&, std::int64_t size, double)
    : size_(size) {
  expect_cuda("DeviceSgd", ctx);
}

void DeviceSgd::set_learning_rate(CudaContext const& ctx, double) {
  expect_cuda("DeviceSgd.set_learning_rate", ctx);
}

void DeviceSgd::step(CudaContext const& ctx, VectorView<float, Space::device>,
                     VectorView<float const, Space::device>) {
  expect_cuda("DeviceSgd.step", ctx);
}
void DeviceSgd::step(CudaContext const& ctx, VectorView<float, Space::device>,
                     VectorView<bfloat16 const, Space::device>) {
  expect_cuda("DeviceSgd.step", ctx);
}
void DeviceSgd::step_rows(CudaContext const& ctx, MatrixView<float, Space::device>,
                          VectorView<NodeId const, Space::device>,
                          MatrixView<float const, Space::device>) {
  expect_cuda("DeviceSgd.step_rows", ctx);
}
void DeviceSgd::step_rows(CudaContext const& ctx, MatrixView<float, Space::device>,
                          VectorView<NodeId const, Space::device>,
                          MatrixView<bfloat16 const, Space::device>) {
  expect_cuda("DeviceSgd.step_rows", ctx);
}

}  // namespace relweave::optim
