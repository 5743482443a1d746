#pragma once

#include <relweave/core/isa_dispatch.hpp>
#include <relweave/ops/relation_aggregate/kernels.hpp>

namespace relweave::ops {

/// The kernels of the instruction set that `ctx` asks for.
template <typename T>
cpu::RelationAggregateKernels<T> const& relation_aggregate_kernels(HostContext const& ctx) {
  return with_isa(ctx, []<Isa isa>() -> cpu::RelationAggregateKernels<T> const& {
    return cpu::relation_aggregate_kernels<isa, T>();
  });
}

}  // namespace relweave::ops
