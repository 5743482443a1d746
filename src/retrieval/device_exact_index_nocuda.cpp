// The symbols of device_exact_index.cu in a build without CUDA.

#include <relweave/core/error.hpp>
#include <relweave/retrieval/device_exact_index.hpp>

namespace relweave::retrieval {

DeviceExactIndex::DeviceExactIndex(CudaContext const& ctx, ExactIndex const&) {
  expect_cuda("DeviceExactIndex", ctx);
}

void DeviceExactIndex::search(CudaContext const& ctx, MatrixView<float const, Space::device>,
                              std::int64_t, SearchOptions const&, MatrixView<NodeId, Space::device>,
                              MatrixView<float, Space::device>) const {
  expect_cuda("DeviceExactIndex.search", ctx);
}

void DeviceExactIndex::scores(CudaContext const& ctx, MatrixView<float const, Space::device>,
                              MatrixView<float, Space::device>) const {
  expect_cuda("DeviceExactIndex.scores", ctx);
}

}  // namespace relweave::retrieval
