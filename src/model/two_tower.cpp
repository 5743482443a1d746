#include <relweave/model/two_tower.hpp>

#include <algorithm>
#include <numeric>
#include <string>

#include <relweave/core/error.hpp>

#include "input_checks.hpp"
#include "item_tower_input.hpp"
#include "pooled_history.hpp"
#include "two_tower_checks.hpp"
#include "uploaded.hpp"

namespace relweave::model {

namespace {

// Users or items that go through a tower at once: large enough for the products to run at full
// speed, small enough that the widest layer stays in cache.
constexpr std::int64_t inference_rows = 1024;

void expect_fitted(std::string_view function, bool fitted) {
  if (!fitted) {
    raise<ConfigError>(function, "model", "two towers without parameters", "trained towers",
                       "Call fit first, or load a checkpoint.");
  }
}

}  // namespace

void TwoTower::initialize(TowerInputs const& inputs, std::int64_t item_count) {
  validate(config_);
  parameters_ = {};
  network_.emplace(inputs, config_.layers, parameters_);
  parameters_.allocate();
  network_->initialize(parameters_, config_.seed);
  item_bias_ = Buffer<float>::zeros(item_count);
}

template <AnyContext C>
void TwoTower::item_vectors(C const& ctx, VectorView<NodeTypeId const> item_types,
                            In<ItemInputsIn<space_of<C>>> const& items,
                            In<MatrixView<float, space_of<C>>> out) const {
  constexpr std::string_view here = "TwoTower.item_vectors";
  expect_fitted(here, fitted());
  TowerInputs const& inputs = network_->inputs();
  auto const n = item_types.size;
  expect_shape(here, "features", items.features, n, inputs.item_features);
  expect_shape(here, "vectors", items.vectors, n, inputs.item_vectors);
  expect_shape(here, "out", out, n, out_features());
  for (std::int64_t i = 0; i < n; ++i) {
    if (index(item_types[i]) < 0 || index(item_types[i]) >= inputs.types) {
      raise<IndexError>(here, "item_types", std::to_string(index(item_types[i])),
                        "values in [0, " + std::to_string(inputs.types) + ")");
    }
  }

  constexpr Space S = space_of<C>;
  WithWorkspace<S> const own(ctx);
  Placed<S> const parameters(own.ctx(), parameters_);
  ItemTowerInput<S> input(own.ctx(), inputs.types);
  ItemPass<S> pass;
  std::vector<NodeId> ids;
  for (std::int64_t begin = 0; begin < n; begin += inference_rows) {
    std::int64_t const count = std::min(inference_rows, n - begin);
    ids.resize(static_cast<std::size_t>(count));
    std::iota(ids.begin(), ids.end(), static_cast<NodeId>(begin));
    VectorView<NodeId const> const rows{ids.data(), count};
    auto const x = input.gather(own.ctx(), items.features, items.vectors, item_types,
                                {.features = rows, .vectors = rows});
    network_->forward_items(own.ctx(), parameters.get(), x, pass);
    copy(own.ctx(), pass.unit.view(), out.row_slice(begin, count));
  }
  own.finish();
}

template <AnyContext C>
void TwoTower::user_vectors(C const& ctx, Histories const& histories, graph::ItemTypes const& types,
                            In<MatrixView<float const, space_of<C>>> vectors,
                            MatrixView<float const> user_features,
                            In<MatrixView<float, space_of<C>>> out) const {
  constexpr std::string_view here = "TwoTower.user_vectors";
  expect_fitted(here, fitted());
  TowerInputs const& inputs = network_->inputs();
  types.check();
  expect_histories(here, histories, types.offsets.back());
  auto const n = histories.offsets.size - 1;
  if (std::ssize(types.names) != inputs.types) {
    raise<ShapeError>(here, "types", std::to_string(types.names.size()) + " types",
                      std::to_string(inputs.types) + ", as in training");
  }
  expect_shape(here, "out", out, n, out_features());
  expect_shape(here, "vectors", vectors, types.offsets.back(), inputs.item_vectors);
  if (!user_features.empty()) {
    expect_shape(here, "user_features", user_features, n, inputs.user_features);
  }

  PooledHistory pooled(types, config_.max_history, config_.weak_weight, inputs.user_features);
  constexpr Space S = space_of<C>;
  WithWorkspace<S> const own(ctx);
  Placed<S> const parameters(own.ctx(), parameters_);
  PooledBatch<S> batch;
  UserPass<S> pass;
  std::vector<HistoryRow> rows;
  for (std::int64_t begin = 0; begin < n; begin += inference_rows) {
    std::int64_t const count = std::min(inference_rows, n - begin);
    rows.clear();
    for (std::int64_t u = begin; u < begin + count; ++u) {
      rows.push_back({.begin = histories.offsets[u],
                      .end = histories.offsets[u + 1],
                      .user = user_features.empty() ? -1 : u});
    }
    pooled.build(histories, {}, rows, user_features);
    network_->forward_users(own.ctx(), parameters.get(), batch.gather(own.ctx(), pooled, vectors),
                            pass);
    copy(own.ctx(), pass.unit.view(), out.row_slice(begin, count));
  }
  own.finish();
}

#define RELWEAVE_INSTANTIATE(C)                                                                  \
  template void TwoTower::item_vectors(C const&, VectorView<NodeTypeId const>,                   \
                                       ItemInputsIn<space_of<C>> const&,                         \
                                       MatrixView<float, space_of<C>>) const;                    \
  template void TwoTower::user_vectors(                                                          \
      C const&, Histories const&, graph::ItemTypes const&, MatrixView<float const, space_of<C>>, \
      MatrixView<float const>, MatrixView<float, space_of<C>>) const
RELWEAVE_INSTANTIATE(HostContext);
RELWEAVE_INSTANTIATE(CudaContext);

}  // namespace relweave::model
