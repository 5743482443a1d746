#pragma once

#include <cstdint>

#include <relweave/ops/linear/linear.hpp>
#include <relweave/ops/relation_aggregate/relation_aggregate.hpp>

#include <support/device.hpp>
#include <support/random_graph.hpp>

namespace relweave::test {

/// A layer of one relation between sources and destinations, on the device: messages, aggregation,
/// and all gradients.
struct DeviceLayer {
  static constexpr std::int64_t width = 32;

  OwnedCsr csr = random_csr({.n_dst = 40, .relations = 1, .sources = 50});
  Device device{ops::linear_backward_workspace(50, width, 4) + (1 << 20)};
  ops::DeviceCsr graph{device.context(), csr.view()};
  ops::RelationAggregateParams const params{.l2_normalize = true};
  ops::LinearParams const relu{.activation = Activation::relu};
  Matrix<float, Space::device> x{csr.message_rows, width}, weight{width, width},
      messages{csr.message_rows, width}, out{csr.n_dst, width}, grad_out{csr.n_dst, width},
      grad_self{csr.n_dst, width}, grad_messages{csr.message_rows, width},
      grad_weight{width, width};
  ops::RelationAggregateDeviceCache cache;

  DeviceLayer() {
    cache.reserve(device.context(), graph, width, params);
    put(weight, 1);
    put(grad_out, 2);
  }

  void put(Matrix<float, Space::device>& to, std::uint64_t seed) {
    copy(device.context(), random_matrix<float>(to.rows(), to.cols(), seed).view(), to.view());
  }

  void run() {
    auto const ctx = device.context();
    ops::linear<float>(ctx, x.view(), weight.view(), {}, relu, messages.view());
    ops::relation_aggregate<float>(ctx, graph, messages.view(), {}, params, out.view(), &cache);
    ops::relation_aggregate_backward<float>(ctx, graph, out.view(), cache, grad_out.view(), params,
                                            grad_messages.view(), grad_self.view());
    ops::linear_backward<float>(ctx, x.view(), weight.view(), messages.view(), grad_messages.view(),
                                relu, {.weight = grad_weight.view()});
  }

  void clear_gradient() {
    copy(device.context(), Matrix<float>::zeros(width, width).view(), grad_weight.view());
  }
};

}  // namespace relweave::test
