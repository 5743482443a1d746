// What only the emulation can show: calls that fail, and calls that must not be made.

#include <catch2/catch.hpp>

#include <cstdint>
#include <utility>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/model/hgnn.hpp>
#include <relweave/model/two_tower.hpp>

#include <emulation/control.hpp>
#include <support/device_layer.hpp>
#include <support/gradient_check.hpp>
#include <support/tiny_log.hpp>
#include <support/tiny_recommender.hpp>

using namespace relweave;
using namespace relweave::test;

TEST_CASE("a layer neither allocates nor waits nor touches the default stream", "[emulation]") {
  emulation::Session const session;
  DeviceLayer layer;
  layer.put(layer.x, 3);
  auto const before = emulation::counters();

  layer.run();

  auto const after = emulation::counters();
  CHECK(after.launches > before.launches);
  CHECK(after.device_allocations == before.device_allocations);
  CHECK(after.host_allocations == before.host_allocations);
  CHECK(after.synchronizations == before.synchronizations);
  CHECK(after.default_stream_uses == 0);
}

TEST_CASE("whichever call of a layer fails, it is a CudaError, and the layer works again",
          "[emulation]") {
  emulation::Session const session;
  DeviceLayer layer;
  layer.put(layer.x, 3);
  layer.clear_gradient();
  layer.run();
  auto const expected = layer.device.download<float>(layer.grad_weight.view());
  int failures = 0;

  for (;; ++failures) {
    emulation::fail_next(cudaErrorLaunchFailure, failures);
    try {
      layer.run();
    } catch (CudaError const&) {
      continue;
    }
    break;
  }
  REQUIRE(emulation::failure_pending());
  emulation::fail_next(cudaSuccess);

  CHECK(failures > 10);
  layer.clear_gradient();
  layer.run();
  CHECK(same_bits(layer.device.download<float>(layer.grad_weight.view()), expected));
}

TEST_CASE("an error that a destructor ignores is not the next launch's", "[emulation]") {
  emulation::Session const session;
  DeviceLayer layer;
  layer.put(layer.x, 3);
  {
    OwnedStream const stream;
    emulation::fail_next(cudaErrorInvalidValue);
  }

  CHECK_FALSE(emulation::failure_pending());
  CHECK_NOTHROW(layer.run());
}

TEST_CASE("out of device memory tells bytes asked and free, and nothing is lost", "[emulation]") {
  emulation::Session const session({.memory_bytes = std::size_t{1} << 20});
  DeviceWorkspace workspace(1024);
  Buffer<float, Space::device> buffer(100);
  float const* const data = buffer.data();

  CHECK_THROWS_WITH((Matrix<float, Space::device>(1000, 1000)),
                    Catch::Contains("bytes free of 1048576 bytes, expected 4000000 bytes free"));
  CHECK_THROWS_AS(workspace.reserve(4'000'000), CudaError);
  CHECK_THROWS_AS(buffer.reset(1'000'000), CudaError);

  CHECK(workspace.capacity() == 1024);
  CHECK(buffer.size() == 100);
  CHECK(buffer.data() == data);
}

TEST_CASE("a machine without a device is a DeviceError that says so", "[emulation]") {
  emulation::Session const session({.devices = 0});

  CHECK(cuda_device_count() == 0);
  CHECK_THROWS_WITH(OwnedStream(), Catch::Contains("no CUDA device on this machine"));
  CHECK_THROWS_AS(cuda_device_info(0), DeviceError);
}

TEST_CASE("the second device works while the first is current", "[emulation]") {
  emulation::Session const session({.devices = 2});
  OwnedStream const stream(1);
  CudaContext const ctx{.device = 1, .stream = stream.get()};
  Matrix<float, Space::device> there = [] {
    DeviceGuard const guard(1);
    return Matrix<float, Space::device>(3, 4);
  }();
  auto const values = random_matrix<float>(3, 4, 1);
  Matrix<float> back(3, 4);

  copy(ctx, values.view(), there.view());
  copy(ctx, there.view(), back.view());
  synchronize(ctx);

  int current = -1;
  CHECK(cudaGetDevice(&current) == cudaSuccess);
  CHECK(current == 0);
  CHECK(same_bits(values, back));
}

TEST_CASE("a workspace that grows on demand comes to rest", "[emulation]") {
  emulation::Session const session;
  OwnedStream const stream;
  DeviceWorkspace workspace(Growth::on_demand);
  auto const use = [&] {
    DeviceWorkspace::Scope outer(&workspace, "test");
    auto* const first = outer.vector<float>(3 << 20).data;
    DeviceWorkspace::Scope inner(&workspace, "test");
    auto* const second = inner.vector<float>(3 << 20).data;
    CHECK(first != second);
    return std::pair(first, second);
  };
  auto const before = use();
  auto const counted = emulation::counters();

  auto const after = use();

  CHECK(after == before);
  CHECK(emulation::counters().device_allocations == counted.device_allocations);
  CHECK(workspace.capacity() >= std::int64_t{6} << 22);
}

TEST_CASE("training comes to rest: later epochs allocate nothing on the device", "[emulation]") {
  emulation::Session const session;
  TinyLog const log(60, item_count, 8);
  auto const links =
      graph::co_interaction_links(HostContext{}, log.view(), log.types, {.top_neighbors = 3});
  OwnedStream const stream;
  CudaContext const ctx{.stream = stream.get()};
  Matrix<float, Space::device> features(item_count, log.features.cols());
  copy(ctx, log.features.view(), features.view());
  std::vector<std::int64_t> allocations, synchronizations;
  model::ProgressCallback const count = [&](model::Progress const&) {
    allocations.push_back(emulation::counters().device_allocations);
    synchronizations.push_back(emulation::counters().synchronizations);
    return true;
  };

  SECTION("two towers") {
    model::TwoTower towers({.layers = {16, 8}, .epochs = 6, .batch = 64});
    towers.fit(ctx, log.view(), log.types,
               {.features = features.view(), .vectors = features.view()}, {}, count);
  }
  SECTION("HGNN without validation") {
    model::Hgnn hgnn(
        {.layers = {8, 8}, .fanout = 3, .epochs = 8, .batch = 64, .validation_fraction = 0});
    hgnn.fit(ctx, log.types, links, features.view(), count);
  }

  REQUIRE(allocations.size() > 20);
  CHECK(allocations[allocations.size() - 5] == allocations.back());
  CHECK(emulation::counters().default_stream_uses == 0);
}

TEST_CASE("training takes memory of its context's device alone", "[emulation]") {
  emulation::Session const session({.devices = 2});
  TinyLog const log(60, item_count, 8);
  auto const links =
      graph::co_interaction_links(HostContext{}, log.view(), log.types, {.top_neighbors = 3});
  OwnedStream const stream(1);
  CudaContext const ctx{.device = 1, .stream = stream.get()};
  auto const features = [&] {
    DeviceGuard const guard(1);
    return Matrix<float, Space::device>(item_count, log.features.cols());
  }();
  copy(ctx, log.features.view(),
       MatrixView<float, Space::device>(const_cast<float*>(features.data()), features.rows(),
                                        features.cols()));
  bool others_unused = true;
  model::ProgressCallback const look = [&](model::Progress const&) {
    others_unused = others_unused && emulation::live_bytes(0) == 0;
    return true;
  };
  model::HgnnConfig hgnn{.layers = {8, 8}, .fanout = 3, .epochs = 1, .batch = 64};
  model::TwoTowerConfig towers{.layers = {16, 8}, .epochs = 1, .batch = 64};

  SECTION("HGNN, margin") {}
  SECTION("HGNN, sampled softmax") {
    hgnn.loss = model::LinkLoss::sampled_softmax;
  }
  SECTION("towers, bpr") {
    towers.loss = model::TowerLoss::bpr;
  }
  model::Hgnn(hgnn).fit(ctx, log.types, links, features.view(), look);
  model::TwoTower(towers).fit(ctx, log.view(), log.types,
                              {.features = features.view(), .vectors = features.view()}, {}, look);

  CHECK(others_unused);
  CHECK(emulation::live_bytes(1) > 0);
}
