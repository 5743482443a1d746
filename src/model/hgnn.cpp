#include <relweave/model/hgnn.hpp>

#include <string_view>
#include <vector>

#include <relweave/core/error.hpp>

#include "config_checks.hpp"
#include "hgnn_forward.hpp"
#include "input_checks.hpp"

namespace relweave::model {

namespace {

// A step holds all of them.
constexpr std::int64_t most_negatives = 1 << 16;

void validate(HgnnConfig const& config) {
  ConfigCheck const check("HgnnConfig");
  check.layers("layers", config.layers);
  check.at_least("fanout", config.fanout, 1);
  check.at_least("epochs", config.epochs, 0);
  check.count("batch", config.batch);
  check.positive("learning_rate", config.learning_rate);
  check.not_negative("margin", config.margin);
  check.count("negatives", config.negatives, most_negatives);
  check.positive("temperature", config.temperature);
  check.at_least("balance_floor", config.balance_floor, 1);
  check.share("validation_fraction", config.validation_fraction);
  check.at_least("patience", config.patience, 1);
  check.share("node_drop", config.node_drop);
  check.at_least("inference_draws", config.inference_draws, 1);
}

}  // namespace

void Hgnn::initialize(graph::ItemTypes const& types, std::int64_t feature_count) {
  validate(config_);
  graph::Schema const schema = graph::co_interaction_schema(types);
  parameters_ = {};
  network_.emplace(schema, nn::HeteroSageConfig{.in_features = std::vector<std::int64_t>(
                                                    types.names.size(), feature_count),
                                                .out_features = config_.layers,
                                                .sharing = config_.sharing});
  network_->register_parameters(parameters_);
  parameters_.allocate();
  network_->initialize(parameters_, config_.seed);
  feature_count_ = feature_count;
}

template <AnyContext C>
void Hgnn::embed(C const& ctx, graph::ItemTypes const& types, graph::ItemLinks const& links,
                 In<MatrixView<float const, space_of<C>>> features,
                 In<MatrixView<float, space_of<C>>> out) const {
  constexpr std::string_view here = "Hgnn.embed";
  constexpr Space S = space_of<C>;
  if (!fitted()) {
    raise<ConfigError>(here, "model", "an HGNN without parameters", "a trained HGNN",
                       "Call fit first, or load a checkpoint.");
  }
  expect_links(here, types, links);
  std::int64_t const n = types.offsets.back();
  expect_shape(here, "features", features, n, feature_count_);
  expect_shape(here, "out", out, n, out_features());
  WithWorkspace<S> const own(ctx);
  Placed<S> const parameters(own.ctx(), parameters_);
  graph::HeteroGraph const graph = graph::link_graph(host_of(ctx), types, links);
  HgnnForward<S> forward(own.ctx(), *network_, parameters_, graph, types, features, config_.fanout);
  forward.average(own.ctx(), parameters.get(), config_.seed, config_.inference_draws, out);
  own.finish();
}

#define RELWEAVE_INSTANTIATE(C)                                                                   \
  template void Hgnn::embed(C const&, graph::ItemTypes const&, graph::ItemLinks const&,           \
                            MatrixView<float const, space_of<C>>, MatrixView<float, space_of<C>>) \
      const
RELWEAVE_INSTANTIATE(HostContext);
RELWEAVE_INSTANTIATE(CudaContext);

}  // namespace relweave::model
