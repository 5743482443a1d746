#include <catch2/catch.hpp>

#include <relweave/ops/linear/linear.hpp>
#include <relweave/ops/relation_aggregate/relation_aggregate.hpp>

#include <support/captured_graph.hpp>
#include <support/device.hpp>
#include <support/gradient_check.hpp>
#include <support/random_graph.hpp>

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

/// A layer of one relation between sources and destinations, on the device: messages, aggregation,
/// and all gradients.
struct Layer {
  static constexpr std::int64_t width = 32;

  OwnedCsr csr = random_csr({.n_dst = 40, .relations = 1, .sources = 50});
  Device device{linear_backward_workspace(50, width, 4) + (1 << 20)};
  DeviceCsr graph{device.context(), csr.view()};
  RelationAggregateParams const params{.l2_normalize = true};
  LinearParams const relu{.activation = Activation::relu};
  Matrix<float, Space::device> x{csr.message_rows, width}, weight{width, width},
      messages{csr.message_rows, width}, out{csr.n_dst, width}, grad_out{csr.n_dst, width},
      grad_self{csr.n_dst, width}, grad_messages{csr.message_rows, width},
      grad_weight{width, width};
  RelationAggregateDeviceCache cache;

  Layer() {
    cache.reserve(device.context(), graph, width, params);
    put(weight, 1);
    put(grad_out, 2);
  }

  void put(Matrix<float, Space::device>& to, std::uint64_t seed) {
    copy(device.context(), random_matrix<float>(to.rows(), to.cols(), seed).view(), to.view());
  }

  void run() {
    auto const ctx = device.context();
    linear<float>(ctx, x.view(), weight.view(), {}, relu, messages.view());
    relation_aggregate<float>(ctx, graph, messages.view(), {}, params, out.view(), &cache);
    relation_aggregate_backward<float>(ctx, graph, out.view(), cache, grad_out.view(), params,
                                       grad_messages.view(), grad_self.view());
    linear_backward<float>(ctx, x.view(), weight.view(), messages.view(), grad_messages.view(),
                           relu, {.weight = grad_weight.view()});
  }

  void clear_gradient() {
    copy(device.context(), Matrix<float>::zeros(width, width).view(), grad_weight.view());
  }
};

}  // namespace

TEST_CASE("a layer, forward and backward, is captured once and replayed on new numbers",
          "[ops][gpu]") {
  Layer layer;
  auto const ctx = layer.device.context();
  layer.put(layer.x, 3);
  layer.run();  // cuBLAS chooses its algorithms
  CapturedGraph const graph(ctx, [&] { layer.run(); });

  layer.put(layer.x, 4);
  layer.clear_gradient();
  graph.launch(ctx);
  auto const replayed_out = layer.device.download<float>(layer.out.view());
  auto const replayed_gradient = layer.device.download<float>(layer.grad_weight.view());

  layer.clear_gradient();
  layer.run();
  CHECK(same_bits(replayed_out, layer.device.download<float>(layer.out.view())));
  CHECK(same_bits(replayed_gradient, layer.device.download<float>(layer.grad_weight.view())));
  CHECK(largest_difference(replayed_gradient, Matrix<float>::zeros(32, 32)) > 0.01);
}
