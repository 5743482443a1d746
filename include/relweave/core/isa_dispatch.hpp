#pragma once

#include <relweave/core/context.hpp>
#include <relweave/core/isa.hpp>

namespace relweave {

/// Calls f.operator()<isa>() with the instruction set that `ctx` asks for, among those that kernels
/// are compiled for (RELWEAVE_ISAS in cmake/targets.cmake).
template <typename F>
decltype(auto) with_isa(HostContext const& ctx, F&& f) {
  switch (resolve_isa(ctx.isa)) {
#if defined(__x86_64__)
    case Isa::avx512:
      return f.template operator()<Isa::avx512>();
    case Isa::avx2:
      return f.template operator()<Isa::avx2>();
#endif
    default:
      return f.template operator()<Isa::baseline>();
  }
}

}  // namespace relweave
