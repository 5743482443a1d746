#include <relweave/ops/detail/row_kernels.hpp>

namespace relweave::ops::detail {

#define RELWEAVE_DECLARE_ROW_KERNELS(isa)         \
  namespace isa {                                 \
  extern RowKernels<float> const kernels_float;   \
  extern RowKernels<double> const kernels_double; \
  }

RELWEAVE_DECLARE_ROW_KERNELS(baseline)
#if defined(__x86_64__)
RELWEAVE_DECLARE_ROW_KERNELS(avx2)
RELWEAVE_DECLARE_ROW_KERNELS(avx512)
#endif

namespace {

template <typename T>
RowKernels<T> const& pick(RowKernels<float> const& f, RowKernels<double> const& d) {
  if constexpr (std::same_as<T, float>) {
    return f;
  } else {
    return d;
  }
}

}  // namespace

template <Scalar T>
RowKernels<T> const& row_kernels(HostContext const& ctx) {
  switch (resolve_isa(ctx.isa)) {
#if defined(__x86_64__)
    case Isa::avx512:
      return pick<T>(avx512::kernels_float, avx512::kernels_double);
    case Isa::avx2:
      return pick<T>(avx2::kernels_float, avx2::kernels_double);
#endif
    default:
      return pick<T>(baseline::kernels_float, baseline::kernels_double);
  }
}

template RowKernels<float> const& row_kernels(HostContext const&);
template RowKernels<double> const& row_kernels(HostContext const&);

}  // namespace relweave::ops::detail
