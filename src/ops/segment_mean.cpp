#include <relweave/ops/segment_mean/segment_mean.hpp>

#include <relweave/core/error.hpp>
#include <relweave/ops/segment_mean/reference.hpp>

namespace relweave::ops {

template <Scalar T>
void segment_mean(HostContext const&, Segments<T> const& segments, In<MatrixView<T const>> x,
                  SegmentMeanParams const& params, MatrixView<T> out) {
  reference::segment_mean<T>(segments, x, params, out);
}

template <Scalar T>
void segment_mean_backward(HostContext const&, Segments<T> const& segments,
                           In<MatrixView<T const>> grad_out, SegmentMeanParams const& params,
                           MatrixView<T> grad_x) {
  reference::segment_mean_backward<T>(segments, grad_out, params, grad_x);
}

#define RELWEAVE_INSTANTIATE(T)                                                              \
  template void segment_mean<T>(HostContext const&, Segments<T> const&, MatrixView<T const>, \
                                SegmentMeanParams const&, MatrixView<T>);                    \
  template void segment_mean_backward<T>(HostContext const&, Segments<T> const&,             \
                                         MatrixView<T const>, SegmentMeanParams const&,      \
                                         MatrixView<T>);

RELWEAVE_INSTANTIATE(float)
RELWEAVE_INSTANTIATE(double)

}  // namespace relweave::ops
