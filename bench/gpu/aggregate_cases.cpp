#include <array>
#include <memory>
#include <utility>

#include <aggregate_cost.hpp>
#include <cusparse_peer.hpp>
#include <groups.hpp>

#include <relweave/core/error.hpp>

namespace relweave::bench {

namespace {

using ops::MaxBackward;

/// Maximum as in a layer: with the self term, ReLU, and slots for the way back. Mean and sum as
/// their peers compute them: alone.
constexpr ops::RelationAggregateParams params_of(Reduce reduce) {
  return {.reduce = reduce,
          .activation = reduce == Reduce::max ? Activation::relu : Activation::identity};
}

template <typename T>
class Aggregate {
 public:
  Aggregate(Bench& bench, GraphInput& graph, std::int64_t d)
      : bench_(bench),
        graph_(graph),
        d_(d),
        cost_{graph, static_cast<double>(d), size_of<T>},
        messages_(make_device_matrix<T>(bench, graph.messages(), d, 2)),
        self_(make_device_matrix<T>(bench, graph.rows(), d, 3)),
        grad_out_(make_device_matrix<T>(bench, graph.rows(), d, 4)),
        out_(graph.rows(), d),
        grad_messages_(graph.messages(), d),
        grad_self_(graph.rows(), d),
        caches_(graph.destinations()) {}

  void run(Reduce reduce, std::string const& name) {
    prepare(reduce);
    spoil(bench_, out_);
    std::string const forward_work = "relation_aggregate.forward." + name;
    std::string const backward_work = "relation_aggregate.backward." + name;
    auto const expected_out = [=, this] { return std::move(on_host_of(reduce)[0]); };
    auto const expected_gradient = [=, this] { return std::move(on_host_of(reduce)[1]); };
    bench_.run<T>(
        forward_work, "relweave", cost_.forward(reduce), [=, this] { forward(reduce); },
        out_.view(), expected_out);
    if (reduce != Reduce::max) {
      run_spmm(forward_work, cost_.forward(reduce), reduce, Pass::forward, expected_out);
      run_backward(backward_work, "relweave", reduce, MaxBackward::compare_slots,
                   expected_gradient);
      run_spmm(backward_work, cost_.backward(reduce), reduce, Pass::backward, expected_gradient);
    } else {
      run_backward(backward_work, "relweave, compare_slots", reduce, MaxBackward::compare_slots,
                   expected_gradient);
      run_backward(backward_work, "relweave, win_mask", reduce, MaxBackward::win_mask,
                   expected_gradient);
    }
  }

 private:
  void prepare(Reduce reduce) {
    std::int64_t scratch = 0;
    for (std::size_t t = 0; t < graph_.destinations(); ++t) {
      auto const& csr =
          graph_.csr(t, reduce == Reduce::max ? MaxBackward::win_mask : MaxBackward::compare_slots);
      caches_[t].reserve(bench_.context(), csr, d_, params_of(reduce));
      scratch = std::max(scratch, ops::relation_aggregate_workspace(csr, d_));
    }
    bench_.reserve(scratch);
  }

  void forward(Reduce reduce) {
    for (std::size_t t = 0; t < graph_.destinations(); ++t) {
      ops::relation_aggregate<T>(
          bench_.context(), graph_.csr(t, MaxBackward::compare_slots),
          graph_.messages_of(t, messages_.view()),
          reduce == Reduce::max ? graph_.rows_of(t, self_.view()) : DeviceView{}, params_of(reduce),
          graph_.rows_of(t, out_.view()), &caches_[t]);
    }
  }

  void run_backward(std::string const& work, std::string const& by, Reduce reduce,
                    MaxBackward max_backward, std::function<Matrix<float>()> const& expected) {
    forward(reduce);
    spoil(bench_, grad_messages_);
    bench_.run<T>(
        work, by,
        reduce == Reduce::max ? cost_.backward_of_max(max_backward) : cost_.backward(reduce),
        [=, this] {
          for (std::size_t t = 0; t < graph_.destinations(); ++t) {
            ops::relation_aggregate_backward<T>(
                bench_.context(), graph_.csr(t, max_backward), graph_.rows_of(t, out_.view()),
                caches_[t], graph_.rows_of(t, grad_out_.view()), params_of(reduce),
                graph_.messages_of(t, grad_messages_.view()),
                reduce == Reduce::max ? graph_.rows_of(t, grad_self_.view()) : DeviceView{});
          }
        },
        grad_messages_.view(), expected);
  }

  void run_spmm(std::string const& work, Cost const& cost, Reduce reduce, Pass pass,
                std::function<Matrix<float>()> const& expected) {
    if (!bench_.wants(work, spmm_name)) {
      return;
    }
    if (auto const why = spmm_missing(); !why.empty()) {
      return bench_.skip(work, spmm_name, why);
    }
    std::vector<std::unique_ptr<Spmm>> products;
    bool const forward = pass == Pass::forward;
    auto& result = forward ? out_ : grad_messages_;
    spoil(bench_, result);
    try {
      for (std::size_t t = 0; t < graph_.destinations(); ++t) {
        products.push_back(std::make_unique<Spmm>(
            bench_, graph_.csr(t, MaxBackward::compare_slots), reduce, pass,
            forward ? graph_.messages_of(t, messages_.view()) : graph_.rows_of(t, grad_out_.view()),
            forward ? graph_.rows_of(t, out_.view())
                    : graph_.messages_of(t, grad_messages_.view())));
      }
    } catch (NotCompiledError const& error) {
      return bench_.skip(work, spmm_name, error.what());
    }
    bench_.run<T>(
        work, spmm_name, cost,
        [&] {
          for (auto const& product : products) {
            product->run();
          }
        },
        result.view(), expected,
        // cuSPARSE rounds partial sums, too.
        sizeof(T) == 2 ? Closeness::norm : Closeness::elements);
  }

  /// out and the messages' gradients.
  std::array<Matrix<float>, 2> on_host_of(Reduce reduce) {
    auto const messages = on_host(bench_, messages_), self = on_host(bench_, self_),
               grad_out = on_host(bench_, grad_out_);
    Matrix<float> out(graph_.rows(), d_), grad_messages(graph_.messages(), d_),
        grad_self(graph_.rows(), d_);
    for (std::size_t t = 0; t < graph_.destinations(); ++t) {
      auto const csr = graph_.host().destinations[t].view();
      ops::RelationAggregateCache<float> cache;
      ops::relation_aggregate<float>(
          {}, csr, graph_.messages_of(t, messages.view()),
          reduce == Reduce::max ? graph_.rows_of(t, self.view()) : MatrixView<float const>{},
          params_of(reduce), graph_.rows_of(t, out.view()), &cache);
      ops::relation_aggregate_backward<float>({}, csr, graph_.rows_of(t, out.view()), cache,
                                              graph_.rows_of(t, grad_out.view()), params_of(reduce),
                                              graph_.messages_of(t, grad_messages.view()),
                                              graph_.rows_of(t, grad_self.view()));
    }
    return {std::move(out), std::move(grad_messages)};
  }

  using DeviceView = MatrixView<T, Space::device>;

  Bench& bench_;
  GraphInput& graph_;
  std::int64_t d_;
  AggregateCost cost_;
  DeviceMatrix<T> messages_, self_, grad_out_, out_, grad_messages_, grad_self_;
  std::vector<ops::RelationAggregateDeviceCache> caches_;
};

template <typename T>
void run(Bench& bench, GraphInput& graph, std::int64_t d) {
  Aggregate<T> aggregate(bench, graph, d);
  aggregate.run(Reduce::max, "max");
  aggregate.run(Reduce::mean, "mean");
  aggregate.run(Reduce::sum, "sum");
}

}  // namespace

GraphGroup aggregate_group() {
  GraphGroup group{.run_float = run<float>, .run_bfloat16 = run<bfloat16>};
  group.cases = {{"relation_aggregate.forward.max", "relweave"},
                 {"relation_aggregate.backward.max", "relweave, compare_slots"},
                 {"relation_aggregate.backward.max", "relweave, win_mask"}};
  for (std::string_view const work :
       {"relation_aggregate.forward.mean", "relation_aggregate.backward.mean",
        "relation_aggregate.forward.sum", "relation_aggregate.backward.sum"}) {
    group.cases.push_back({work, "relweave"});
    group.cases.push_back({work, spmm_name});
  }
  return group;
}

}  // namespace relweave::bench
