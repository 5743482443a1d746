// The symbols of relation_aggregate.cu in a build without CUDA: expect_cuda throws.

#include <relweave/ops/relation_aggregate/relation_aggregate.hpp>

namespace relweave::ops {

void RelationAggregateDeviceCache::reserve(CudaContext const& ctx, DeviceCsr const&, std::int64_t,
                                           RelationAggregateParams const&) {
  expect_cuda("RelationAggregateDeviceCache.reserve", ctx);
}

std::int64_t relation_aggregate_workspace(DeviceCsr const&, std::int64_t) {
  return 0;
}

template <DeviceScalar T>
void relation_aggregate(CudaContext const& ctx, DeviceCsr const&,
                        In<MatrixView<T const, Space::device>>,
                        In<MatrixView<T const, Space::device>>, RelationAggregateParams const&,
                        MatrixView<T, Space::device>, RelationAggregateDeviceCache*) {
  expect_cuda("relation_aggregate", ctx);
}

template <DeviceScalar T>
void relation_aggregate_backward(CudaContext const& ctx, DeviceCsr const&,
                                 In<MatrixView<T const, Space::device>>,
                                 RelationAggregateDeviceCache const&,
                                 In<MatrixView<T const, Space::device>>,
                                 RelationAggregateParams const&, MatrixView<T, Space::device>,
                                 MatrixView<T, Space::device>) {
  expect_cuda("relation_aggregate_backward", ctx);
}

template <typename T>
using DeviceMatrix = MatrixView<T, Space::device>;

#define RELWEAVE_INSTANTIATE(T)                                                                    \
  template void relation_aggregate<T>(CudaContext const&, DeviceCsr const&, DeviceMatrix<T const>, \
                                      DeviceMatrix<T const>, RelationAggregateParams const&,       \
                                      DeviceMatrix<T>, RelationAggregateDeviceCache*);             \
  template void relation_aggregate_backward<T>(                                                    \
      CudaContext const&, DeviceCsr const&, DeviceMatrix<T const>,                                 \
      RelationAggregateDeviceCache const&, DeviceMatrix<T const>, RelationAggregateParams const&,  \
      DeviceMatrix<T>, DeviceMatrix<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
