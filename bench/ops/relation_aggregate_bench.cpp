#include <string>

#include <relweave/ops/relation_aggregate/reference.hpp>
#include <relweave/ops/relation_aggregate/relation_aggregate.hpp>

#include <measure.hpp>
#include <workloads.hpp>

using namespace relweave;
using namespace relweave::ops;

namespace {

constexpr std::int64_t d = 128;

template <typename T>
struct Input {
  bench::WorkloadCsr csr;
  Matrix<T> messages, self, grad_out, out, grad_messages, grad_self;
  RelationAggregateCache<Compute<T>> cache;
  RelationAggregateParams params;

  Input(bench::Workload const& w, Reduce reduce)
      : csr(bench::make_csr(w)),
        messages(bench::make_matrix<T>(w.sources * w.relations, d, 2)),
        self(bench::make_matrix<T>(w.n_dst, d, 3)),
        grad_out(bench::make_matrix<T>(w.n_dst, d, 4)),
        out(w.n_dst, d),
        grad_messages(messages.rows(), d),
        grad_self(w.n_dst, d),
        params{.reduce = reduce} {}

  void forward(HostContext const& ctx) {
    relation_aggregate<T>(ctx, csr.view(), messages.view(), self.view(), params, out.view(),
                          &cache);
  }
  void backward(HostContext const& ctx) {
    relation_aggregate_backward<T>(ctx, csr.view(), out.view(), cache, grad_out.view(), params,
                                   grad_messages.view(), grad_self.view());
  }

  bool correct(HostContext const& ctx) {
    using C = Compute<T>;
    Matrix<C> expected_out(out.rows(), d), expected_grad(grad_messages.rows(), d),
        expected_self(out.rows(), d);
    RelationAggregateCache<C> expected_cache;
    reference::relation_aggregate<C>(csr.view(), bench::computed(messages).view(),
                                     bench::computed(self).view(), params, expected_out.view(),
                                     &expected_cache);
    forward(ctx);
    backward(ctx);
    // From our own outputs: of one that is almost zero, relu's side is a matter of rounding.
    reference::relation_aggregate_backward<C>(csr.view(), bench::computed(out).view(),
                                              expected_cache, bench::computed(grad_out).view(),
                                              params, expected_grad.view(), expected_self.view());
    double const tolerance = bench::tolerance<T>(1e4);
    return bench::largest_difference<T>(out, expected_out) < tolerance &&
           bench::largest_difference<T>(grad_messages, expected_grad) < tolerance;
  }
};

template <typename T>
void run(benchmark::State& state, bench::Workload const& w, Reduce reduce, bool backward) {
  HostContext const ctx = bench::context_of(state);
  Input<T> input(w, reduce);
  if (!input.correct(ctx)) {
    state.SkipWithError("differs from the reference");
    return;
  }
  for (auto _ : state) {
    if (backward) {
      input.backward(ctx);
    } else {
      input.forward(ctx);
    }
  }
  std::int64_t const edges = std::ssize(input.csr.cols);
  bench::report(state, "edges/s", static_cast<double>(edges));
  if (!backward) {
    bench::report_gather<T>(state, edges * (d * bench::size_of<T> + 4), ctx, input.messages.view(),
                            input.csr.view().cols);
  }
}

template <typename T>
void add(bench::Workload const& w, std::string const& reduce_name, Reduce reduce) {
  for (bool const backward : {false, true}) {
    std::string const name =
        std::string(backward ? "relation_aggregate_backward" : "relation_aggregate") + "." +
        reduce_name + "/cpu/" + std::string(bench::type_name<T>) + "/" + std::string(w.name);
    bench::add(name, benchmark::kMillisecond,
               [=](benchmark::State& state) { run<T>(state, w, reduce, backward); });
  }
}

[[maybe_unused]] bool const registered = [] {
  for (bench::Workload const& w : bench::workloads) {
    add<float>(w, "max", Reduce::max);
    add<float>(w, "mean", Reduce::mean);
  }
  for (bench::Workload const& w : {bench::uniform, bench::zipf, bench::beyond_cache}) {
    add<bfloat16>(w, "max", Reduce::max);
    add<bfloat16>(w, "mean", Reduce::mean);
  }
  add<double>(bench::uniform, "max", Reduce::max);
  return true;
}();

}  // namespace
