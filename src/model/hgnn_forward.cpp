#include "hgnn_forward.hpp"

#include <algorithm>
#include <numeric>

#include <relweave/core/parallel.hpp>
#include <relweave/ops/gather_rows/gather_rows.hpp>
#include <relweave/ops/row_normalize/row_normalize.hpp>

namespace relweave::model {

namespace {

// Neighbourhoods drawn for inference never coincide with a training step's.
constexpr std::uint64_t inference_step = std::uint64_t{1} << 40;

// Items embedded at once: bounds the memory of large catalogues.
constexpr std::int64_t inference_items = 16384;

}  // namespace

HgnnForward::HgnnForward(nn::HeteroSage<float> const& network, graph::HeteroGraph const& graph,
                         graph::ItemTypes const& types, MatrixView<float const> features,
                         std::int32_t fanout)
    : network_(network),
      type_offsets_(types.offsets),
      features_(features),
      sampler_(graph, {.fanouts = std::vector<std::int32_t>(network.config().out_features.size(),
                                                            fanout)}),
      gathered_(types.names.size()) {}

MatrixView<float const> HgnnForward::run(HostContext const& ctx,
                                         nn::ParameterSet<float> const& parameters,
                                         std::span<NodeId const> nodes, std::uint64_t seed,
                                         std::uint64_t step,
                                         sampling::SampleOptions const& options) {
  std::size_t const types = gathered_.size();
  local_.resize(nodes.size());
  seed_offsets_.assign(1, 0);
  seeds_.clear();
  for (std::size_t t = 0; t < types; ++t) {
    auto const begin = static_cast<std::size_t>(seed_offsets_.back());
    std::size_t end = begin;
    for (; end < nodes.size() && nodes[end] < type_offsets_[t + 1]; ++end) {
      local_[end] = static_cast<NodeId>(nodes[end] - type_offsets_[t]);
    }
    seeds_.emplace_back(local_.data() + begin, static_cast<std::int64_t>(end - begin));
    seed_offsets_.push_back(static_cast<std::int64_t>(end));
  }
  sampler_.sample(ctx, seeds_, seed, step, options, blocks_);

  inputs_.clear();
  for (std::size_t t = 0; t < types; ++t) {
    auto const nodes_in = blocks_.input_nodes(static_cast<NodeTypeId>(t));
    gathered_[t].reset(nodes_in.size, features_.cols);
    ops::gather_rows<float>(
        ctx, features_.row_slice(type_offsets_[t], type_offsets_[t + 1] - type_offsets_[t]),
        nodes_in, gathered_[t].view());
    inputs_.push_back(gathered_[t].view());
  }
  network_.forward(ctx, parameters, blocks_.blocks(), inputs_, cache_);

  out_.reset(static_cast<std::int64_t>(nodes.size()), network_.config().out_features.back());
  for (std::size_t t = 0; t < types; ++t) {
    MatrixView<float const> const z = cache_.output(static_cast<NodeTypeId>(t));
    std::copy_n(z.data, z.rows * z.cols, out_.view().row_data(seed_offsets_[t]));
  }
  return out_.view();
}

void HgnnForward::backward(HostContext const& ctx, nn::ParameterSet<float>& parameters,
                           MatrixView<float const> grad) {
  grads_.clear();
  for (std::size_t t = 0; t < gathered_.size(); ++t) {
    grads_.push_back(grad.row_slice(seed_offsets_[t], seed_offsets_[t + 1] - seed_offsets_[t]));
  }
  network_.backward(ctx, parameters, blocks_.blocks(), inputs_, cache_, grads_);
}

void HgnnForward::average(HostContext const& ctx, nn::ParameterSet<float> const& parameters,
                          std::uint64_t seed, std::int64_t draws, MatrixView<float> out) {
  std::vector<NodeId> nodes;
  for (std::int64_t begin = 0; begin < out.rows; begin += inference_items) {
    auto const rows = out.row_slice(begin, std::min(inference_items, out.rows - begin));
    nodes.resize(static_cast<std::size_t>(rows.rows));
    std::iota(nodes.begin(), nodes.end(), static_cast<NodeId>(begin));
    for (std::int64_t draw = 0; draw < draws; ++draw) {
      auto const z =
          run(ctx, parameters, nodes, seed, inference_step + static_cast<std::uint64_t>(draw), {});
      parallel_for_blocks(ctx, rows.rows, 256, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t i = first; i < last; ++i) {
          for (std::int64_t f = 0; f < rows.cols; ++f) {
            rows(i, f) = (draw == 0 ? 0.0F : rows(i, f)) + z(i, f);
          }
        }
      });
    }
    ops::row_normalize<float>(ctx, rows, rows);
  }
}

}  // namespace relweave::model
