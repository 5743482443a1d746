#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

#include <relweave/ops/relation_aggregate/reference.hpp>
#include <relweave/ops/relation_aggregate/relation_aggregate.hpp>

#include <support/random_graph.hpp>

namespace relweave::test {

/// Everything the op computes, by the library (any context) or by the reference.
template <typename T>
struct AggregateResult {
  Matrix<T> out, grad_messages, grad_self;
  ops::RelationAggregateCache<T> cache;
};

template <typename T>
struct AggregateCase {
  OwnedCsr csr;
  Matrix<T> messages, self, grad_out;
  ops::RelationAggregateParams params;

  AggregateCase(RandomCsrOptions const& options, std::int64_t d,
                ops::RelationAggregateParams const& p)
      : csr(random_csr(options)),
        messages(random_matrix<T>(csr.message_rows, d, 10)),
        self(random_matrix<T>(csr.n_dst, d, 11)),
        grad_out(random_matrix<T>(csr.n_dst, d, 12)),
        params(p) {}

  AggregateResult<T> run(HostContext const& ctx) const {
    AggregateResult<T> r = empty_result();
    ops::relation_aggregate<T>(ctx, csr.view(), messages.view(), self.view(), params, r.out.view(),
                               &r.cache);
    ops::relation_aggregate_backward<T>(ctx, csr.view(), r.out.view(), r.cache, grad_out.view(),
                                        params, r.grad_messages.view(), r.grad_self.view());
    return r;
  }
  AggregateResult<T> run_reference() const {
    AggregateResult<T> r = empty_result();
    ops::reference::relation_aggregate<T>(csr.view(), messages.view(), self.view(), params,
                                          r.out.view(), &r.cache);
    ops::reference::relation_aggregate_backward<T>(csr.view(), r.out.view(), r.cache,
                                                   grad_out.view(), params, r.grad_messages.view(),
                                                   r.grad_self.view());
    return r;
  }

  AggregateResult<T> empty_result() const {
    return {Matrix<T>(self.rows(), self.cols()),
            Matrix<T>(messages.rows(), messages.cols()),
            Matrix<T>(self.rows(), self.cols()),
            {}};
  }
};

template <typename T, typename U>
bool same_arg(ops::RelationAggregateCache<T> const& a, ops::RelationAggregateCache<U> const& b) {
  return a.arg_width == b.arg_width && a.arg.size() == b.arg.size() &&
         std::equal(a.arg.data(), a.arg.data() + a.arg.size(), b.arg.data());
}

/// The slots of a narrow cache.
template <typename T>
std::vector<int> args_of(ops::RelationAggregateCache<T> const& cache) {
  std::vector<int> args(static_cast<std::size_t>(cache.arg.size()));
  std::transform(cache.arg.data(), cache.arg.data() + args.size(), args.begin(),
                 [](std::byte b) { return static_cast<int>(b); });
  return args;
}

/// eps times the longest sum, doubled: the reference rounds as well.
template <typename T>
double tolerance(std::int64_t length) {
  return 2 * static_cast<double>(std::numeric_limits<T>::epsilon()) * static_cast<double>(length);
}

}  // namespace relweave::test
