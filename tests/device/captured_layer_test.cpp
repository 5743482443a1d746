#include <catch2/catch.hpp>

#include <support/captured_graph.hpp>
#include <support/device_layer.hpp>
#include <support/gradient_check.hpp>

using namespace relweave;
using namespace relweave::test;

TEST_CASE("a layer, forward and backward, is captured once and replayed on new numbers",
          "[ops][gpu]") {
  DeviceLayer layer;
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
