#include <relweave/ops/detail/row_kernels.hpp>

#include <relweave/core/isa_dispatch.hpp>

namespace relweave::ops::detail {

template <HostScalar T>
RowKernels<T> const& row_kernels(HostContext const& ctx) {
  return with_isa(ctx, []<Isa isa>() -> RowKernels<T> const& { return row_kernels_of<isa, T>(); });
}

template RowKernels<float> const& row_kernels(HostContext const&);
template RowKernels<double> const& row_kernels(HostContext const&);
template RowKernels<bfloat16> const& row_kernels(HostContext const&);

}  // namespace relweave::ops::detail
