#include "hgnn_forward.hpp"

#include <algorithm>
#include <numeric>

#include <relweave/ops/gather_rows/gather_rows.hpp>
#include <relweave/ops/row_normalize/row_normalize.hpp>
#include <relweave/ops/segment_mean/segment_mean.hpp>

namespace relweave::model {

namespace {

// Neighbourhoods drawn for inference never coincide with a training step's.
constexpr std::uint64_t inference_step = std::uint64_t{1} << 40;

// Items embedded at once: bounds the memory of large catalogues.
constexpr std::int64_t inference_items = 16384;

}  // namespace

MatrixView<float const> SagePass<Space::host>::forward(
    HostContext const& ctx, nn::ParameterSet<float> const& parameters,
    sampling::SampledBlocks const& blocks, std::span<MatrixView<float const> const> inputs) {
  network_.forward(ctx, parameters, blocks.blocks(), inputs, cache_);
  std::int64_t rows = 0;
  for (DestinationBlock const& d : blocks.blocks().back().destinations) {
    rows += d.csr.n_dst;
  }
  out_.reset(rows, network_.config().out_features.back());
  std::int64_t first = 0;
  for (std::size_t t = 0; t < inputs.size(); ++t) {
    MatrixView<float const> const z = cache_.output(static_cast<NodeTypeId>(t));
    copy(ctx, z, out_.view().row_slice(first, z.rows));
    first += z.rows;
  }
  return out_.view();
}

void SagePass<Space::host>::backward(HostContext const& ctx, nn::ParameterSet<float>& parameters,
                                     sampling::SampledBlocks const& blocks,
                                     std::span<MatrixView<float const> const> inputs,
                                     MatrixView<float const> grad) {
  grads_.clear();
  std::int64_t first = 0;
  for (std::size_t t = 0; t < inputs.size(); ++t) {
    std::int64_t const rows = cache_.output(static_cast<NodeTypeId>(t)).rows;
    grads_.push_back(grad.row_slice(first, rows));
    first += rows;
  }
  network_.backward(ctx, parameters, blocks.blocks(), inputs, cache_, grads_);
}

MatrixView<float const, Space::device> SagePass<Space::device>::forward(
    CudaContext const& ctx, nn::ParameterSet<float, Space::device> const& parameters,
    sampling::SampledBlocks const& blocks,
    std::span<MatrixView<float const, Space::device> const> inputs) {
  auto const views = blocks.blocks();
  blocks_.resize(views.size());
  block_pointers_.clear();
  for (std::size_t l = 0; l < views.size(); ++l) {
    blocks_[l].upload(ctx, network_.network().schema(), views[l]);
    block_pointers_.push_back(&blocks_[l]);
  }
  network_.forward(ctx, parameters, block_pointers_, inputs, cache_);
  return cache_.output();
}

void SagePass<Space::device>::backward(
    CudaContext const& ctx, nn::ParameterSet<float, Space::device>& parameters,
    sampling::SampledBlocks const&, std::span<MatrixView<float const, Space::device> const> inputs,
    MatrixView<float const, Space::device> grad) {
  network_.backward(ctx, parameters, block_pointers_, inputs, cache_, grad);
}

template <Space S>
HgnnForward<S>::HgnnForward(Context<S> const& ctx, nn::HeteroSage<float> const& network,
                            nn::ParameterSet<float> const& parameters,
                            graph::HeteroGraph const& graph, graph::ItemTypes const& types,
                            MatrixView<float const, S> features, std::int32_t fanout)
    : network_(network),
      type_offsets_(types.offsets),
      features_(features),
      sampler_(graph, {.fanouts = std::vector<std::int32_t>(network.config().out_features.size(),
                                                            fanout)}),
      pass_(ctx, network, parameters),
      input_nodes_(types.names.size()),
      gathered_(types.names.size()) {}

template <Space S>
void HgnnForward<S>::sample(HostContext const& ctx, std::span<NodeId const> nodes,
                            std::uint64_t seed, std::uint64_t step,
                            sampling::SampleOptions const& options, sampling::SampledBlocks& out) {
  local_.resize(nodes.size());
  seeds_.clear();
  std::size_t end = 0;
  for (std::size_t t = 0; t < gathered_.size(); ++t) {
    std::size_t const begin = end;
    for (; end < nodes.size() && nodes[end] < type_offsets_[t + 1]; ++end) {
      local_[end] = static_cast<NodeId>(nodes[end] - type_offsets_[t]);
    }
    seeds_.emplace_back(local_.data() + begin, static_cast<std::int64_t>(end - begin));
  }
  sampler_.sample(ctx, seeds_, seed, step, options, out);
}

template <Space S>
MatrixView<float const, S> HgnnForward<S>::run(Context<S> const& ctx,
                                               nn::ParameterSet<float, S> const& parameters,
                                               sampling::SampledBlocks const& blocks) {
  [[maybe_unused]] auto const guard = make_current(ctx);
  inputs_.clear();
  for (std::size_t t = 0; t < gathered_.size(); ++t) {
    auto const nodes_in = blocks.input_nodes(static_cast<NodeTypeId>(t));
    input_nodes_[t].set(ctx, nodes_in);
    gathered_[t].reset(nodes_in.size, features_.cols);
    ops::gather_rows<float>(
        ctx, features_.row_slice(type_offsets_[t], type_offsets_[t + 1] - type_offsets_[t]),
        input_nodes_[t].view(), gathered_[t].view());
    inputs_.push_back(gathered_[t].view());
  }
  return pass_.forward(ctx, parameters, blocks, inputs_);
}

template <Space S>
void HgnnForward<S>::backward(Context<S> const& ctx, nn::ParameterSet<float, S>& parameters,
                              sampling::SampledBlocks const& blocks,
                              MatrixView<float const, S> grad) {
  pass_.backward(ctx, parameters, blocks, inputs_, grad);
}

template <Space S>
void HgnnForward<S>::average(Context<S> const& ctx, nn::ParameterSet<float, S> const& parameters,
                             std::uint64_t seed, std::int64_t draws, MatrixView<float, S> out) {
  std::vector<NodeId> nodes;
  std::vector<NodeId> own_rows;
  IndexList<S> rows_in_place;
  for (std::int64_t begin = 0; begin < out.rows; begin += inference_items) {
    auto const rows = out.row_slice(begin, std::min(inference_items, out.rows - begin));
    nodes.resize(static_cast<std::size_t>(rows.rows));
    std::iota(nodes.begin(), nodes.end(), static_cast<NodeId>(begin));
    if (std::ssize(own_rows) != rows.rows) {
      own_rows.resize(nodes.size());
      std::iota(own_rows.begin(), own_rows.end(), NodeId{0});
      rows_in_place.set(ctx, {own_rows.data(), rows.rows}, rows.rows);
    }
    set_zero(ctx, rows);
    for (std::int64_t draw = 0; draw < draws; ++draw) {
      sample(host_of(ctx), nodes, seed, inference_step + static_cast<std::uint64_t>(draw), {},
             blocks_);
      auto const z = run(ctx, parameters, blocks_);
      ops::scatter_rows<float>(ctx, z, rows_in_place.list(), rows);
    }
    ops::row_normalize<float>(ctx, rows, rows);
  }
}

template class HgnnForward<Space::host>;
template class HgnnForward<Space::device>;

}  // namespace relweave::model
