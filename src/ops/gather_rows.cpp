#include <relweave/ops/gather_rows/gather_rows.hpp>

#include <relweave/core/error.hpp>
#include <relweave/ops/gather_rows/reference.hpp>

namespace relweave::ops {

template <Scalar T>
void gather_rows(HostContext const&, In<MatrixView<T const>> x,
                 In<VectorView<NodeId const>> indices, MatrixView<T> out) {
  reference::gather_rows<T>(x, indices, out);
}

template <Scalar T>
void scatter_rows(HostContext const&, In<MatrixView<T const>> x,
                  In<VectorView<NodeId const>> indices, MatrixView<T> out) {
  reference::scatter_rows<T>(x, indices, out);
}

#define RELWEAVE_INSTANTIATE(T)                                                                    \
  template void gather_rows<T>(HostContext const&, MatrixView<T const>, VectorView<NodeId const>,  \
                               MatrixView<T>);                                                     \
  template void scatter_rows<T>(HostContext const&, MatrixView<T const>, VectorView<NodeId const>, \
                                MatrixView<T>);

RELWEAVE_INSTANTIATE(float)
RELWEAVE_INSTANTIATE(double)

}  // namespace relweave::ops
