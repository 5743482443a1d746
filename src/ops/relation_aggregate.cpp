#include <relweave/ops/relation_aggregate/relation_aggregate.hpp>

#include <relweave/core/error.hpp>
#include <relweave/ops/relation_aggregate/reference.hpp>

namespace relweave::ops {

template <Scalar T>
void relation_aggregate(HostContext const&, RelationCsrView<> const& csr,
                        In<MatrixView<T const>> messages, In<MatrixView<T const>> self,
                        RelationAggregateParams const& params, MatrixView<T> out,
                        RelationAggregateCache<T>* cache) {
  reference::relation_aggregate<T>(csr, messages, self, params, out, cache);
}

template <Scalar T>
void relation_aggregate_backward(HostContext const&, RelationCsrView<> const& csr,
                                 In<MatrixView<T const>> out,
                                 RelationAggregateCache<T> const& cache,
                                 In<MatrixView<T const>> grad_out,
                                 RelationAggregateParams const& params, MatrixView<T> grad_messages,
                                 MatrixView<T> grad_self) {
  reference::relation_aggregate_backward<T>(csr, out, cache, grad_out, params, grad_messages,
                                            grad_self);
}

#define RELWEAVE_INSTANTIATE(T)                                                               \
  template void relation_aggregate<T>(                                                        \
      HostContext const&, RelationCsrView<> const&, MatrixView<T const>, MatrixView<T const>, \
      RelationAggregateParams const&, MatrixView<T>, RelationAggregateCache<T>*);             \
  template void relation_aggregate_backward<T>(                                               \
      HostContext const&, RelationCsrView<> const&, MatrixView<T const>,                      \
      RelationAggregateCache<T> const&, MatrixView<T const>, RelationAggregateParams const&,  \
      MatrixView<T>, MatrixView<T>);

RELWEAVE_INSTANTIATE(float)
RELWEAVE_INSTANTIATE(double)

}  // namespace relweave::ops
