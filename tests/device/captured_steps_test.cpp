// Whole training steps, from inputs to new parameters, captured in a CUDA graph.

#include <catch2/catch.hpp>

#include <vector>

#include <relweave/loss/margin.hpp>
#include <relweave/loss/sampled_softmax.hpp>
#include <relweave/model/tower_network.hpp>
#include <relweave/nn/device_hetero_sage.hpp>
#include <relweave/ops/gather_rows/gather_rows.hpp>
#include <relweave/ops/linear/linear.hpp>
#include <relweave/ops/pair_score/pair_score.hpp>
#include <relweave/optim/adam.hpp>
#include <relweave/sampling/neighbor.hpp>

#include <support/captured_graph.hpp>
#include <support/gradient_check.hpp>
#include <support/random_graph.hpp>
#include <support/sample_graph.hpp>

using namespace relweave;
using namespace relweave::test;

namespace {

using DeviceMatrix = Matrix<float, Space::device>;

struct Stream {
  OwnedStream stream;
  DeviceWorkspace workspace{Growth::on_demand};
  CudaContext ctx{.stream = stream.get(), .workspace = &workspace};

  DeviceMatrix upload(Matrix<float> const& from) const {
    DeviceMatrix to(from.rows(), from.cols());
    copy(ctx, from.view(), to.view());
    synchronize(ctx);
    return to;
  }
  template <typename T>
  Buffer<T, Space::device> upload(std::vector<T> const& from) const {
    Buffer<T, Space::device> to(std::ssize(from));
    copy(ctx, view_of(from), to.view());
    synchronize(ctx);
    return to;
  }
  Matrix<float> values(nn::ParameterSet<float, Space::device> const& parameters) const {
    Matrix<float> to(1, parameters.size());
    copy(ctx, parameters.values(), VectorView<float>(to.data(), to.cols()));
    synchronize(ctx);
    return to;
  }
};

/// Runs `step` three times, and once plus two replays of it; both must leave the same bits.
template <typename Step>
void check_replays(Stream& s, nn::ParameterSet<float> const& initial, Step&& make_step) {
  nn::ParameterSet<float, Space::device> plain(s.ctx, initial), replayed(s.ctx, initial);
  {
    auto step = make_step(plain);
    step();
    step();
    step();
  }
  auto step = make_step(replayed);
  step();  // cuBLAS chooses its algorithms, and memory grows to what a step needs
  CapturedGraph const graph(s.ctx, step);
  graph.launch(s.ctx);
  graph.launch(s.ctx);

  auto const expected = s.values(plain);
  CHECK(same_bits(s.values(replayed), expected));
  nn::ParameterSet<float, Space::device> const start(s.ctx, initial);
  CHECK(largest_difference(expected, s.values(start)) > 1e-3);
}

}  // namespace

TEST_CASE("an HGNN training step is captured once and replayed", "[device][gpu]") {
  SampleGraph const sample;
  auto const graph = sample.build();
  nn::HeteroSage<float> sage(sample.schema, {.in_features = {6, 6, 6}, .out_features = {16, 8}});
  nn::ParameterSet<float> initial;
  sage.register_parameters(initial);
  initial.allocate();
  sage.initialize(initial, 5);
  Stream s;
  nn::DeviceHeteroSage const network(s.ctx, sage, initial);
  sampling::NeighborSampler sampler(graph, {.fanouts = {3, 3}});
  sampling::SampledBlocks sampled;
  std::vector<BlockView> views(2, graph.block());  // of the whole graph
  bool const whole = GENERATE(true, false);
  if (!whole) {
    std::vector<NodeId> const a{0, 4, 9, 29}, b{7, 8, 30};
    sampler.sample({}, std::vector<VectorView<NodeId const>>{view_of(a), view_of(b), {}}, 1, 1, {},
                   sampled);
    views.assign(sampled.blocks().begin(), sampled.blocks().end());
  }
  std::vector<nn::DeviceBlock> blocks(2);
  std::vector<nn::DeviceBlock const*> block_pointers;
  for (std::size_t l = 0; l < 2; ++l) {
    blocks[l].upload(s.ctx, sample.schema, views[l]);
    block_pointers.push_back(&blocks[l]);
  }
  std::vector<DeviceMatrix> inputs;
  std::vector<MatrixView<float const, Space::device>> input_views;
  for (std::size_t t = 0; t < 3; ++t) {
    inputs.push_back(s.upload(random_matrix<float>(views[0].n_src[t], 6, 20 + t)));
  }
  for (auto const& x : inputs) {
    input_views.push_back(x.view());
  }
  std::int64_t const n = blocks[1].n_dst();
  auto const rows = [&](std::int64_t count, std::uint64_t seed) {
    auto const host = random_indices(count, n, seed);
    return ops::DeviceIndices(s.ctx, view_of(host), n);
  };
  auto const anchors = rows(12, 1), positives = rows(12, 2), repeated = rows(36, 3),
             negatives = rows(36, 4);
  DeviceMatrix grad(n, 8), positive(1, 12), negative(12, 3);
  Buffer<double, Space::device> loss(1);

  check_replays(s, initial, [&](nn::ParameterSet<float, Space::device>& parameters) {
    auto adam =
        std::make_shared<optim::DeviceAdam>(s.ctx, optim::AdamConfig{}, parameters.size(), 1e-2);
    auto cache = std::make_shared<nn::DeviceHeteroSageCache>();
    return [&, adam, cache] {
      auto const& ctx = s.ctx;
      network.forward(ctx, parameters, block_pointers, input_views, *cache);
      auto const z = cache->output();
      VectorView<float, Space::device> const p{positive.data(), 12}, q{negative.data(), 36};
      ops::pair_score<float>(ctx, z, anchors.view(), z, positives.view(), p);
      ops::pair_score<float>(ctx, z, repeated.view(), z, negatives.view(), q);
      loss::margin<float>(ctx, p, negative.view(), {}, p, negative.view(), loss.view());
      set_zero(ctx, grad.view());
      ops::pair_score_backward<float>(ctx, z, anchors, z, positives, p, grad.view(), grad.view());
      ops::pair_score_backward<float>(ctx, z, repeated, z, negatives, q, grad.view(), grad.view());
      set_zero<float, Space::device>(ctx, parameters.gradients());
      network.backward(ctx, parameters, block_pointers, input_views, *cache, grad.view());
      adam->step(ctx, parameters.values(), std::as_const(parameters).gradients());
    };
  });
}

TEST_CASE("a training step of the two towers is captured once and replayed", "[device][gpu]") {
  nn::ParameterSet<float> initial;
  model::TowerNetwork const network(
      {.types = 2, .item_features = 5, .item_vectors = 4, .user_features = 1}, {12, 8}, initial);
  initial.allocate();
  network.initialize(initial, 3);
  Stream s;
  std::int64_t const users = 9, items = 6, table_rows = 10;
  auto const table = s.upload(random_matrix<float>(table_rows, 4, 1));
  auto const extra = s.upload(random_matrix<float>(users, 5, 2));
  auto const x = s.upload(random_matrix<float>(items, 11, 3));
  std::vector<std::int64_t> const offsets{0, 3, 3, 7, 9, 12, 15, 18, 20, 25};
  auto const entries = random_indices(25, table_rows, 4);
  ops::DeviceSegments const segments(
      s.ctx, {.offsets = view_of(offsets), .indices = view_of(entries), .weights = {}}, table_rows);
  std::vector<std::int64_t> const groups{0, 6, table_rows};
  nn::PooledInput<float, Space::device> const batch{
      .table = table.view(), .group_offsets = groups, .segments = segments, .extra = extra.view()};
  auto const target = s.upload(random_indices(users, items, 5));
  auto const log_q = s.upload(std::vector<float>(static_cast<std::size_t>(items), -1.5F));
  DeviceMatrix scores(users, items), grad_users(users, 8), grad_items(items, 8);
  Buffer<double, Space::device> loss(1);

  check_replays(s, initial, [&](nn::ParameterSet<float, Space::device>& parameters) {
    auto adam =
        std::make_shared<optim::DeviceAdam>(s.ctx, optim::AdamConfig{}, parameters.size(), 1e-2);
    auto user = std::make_shared<model::UserPass<Space::device>>();
    auto item = std::make_shared<model::ItemPass<Space::device>>();
    return [&, adam, user, item] {
      auto const& ctx = s.ctx;
      network.forward_users(ctx, parameters, batch, *user);
      network.forward_items(ctx, parameters, x.view(), *item);
      ops::matmul<float>(ctx, user->unit.view(), item->unit.view(), {.b = ops::Transpose::yes},
                         scores.view());
      loss::sampled_softmax<float>(ctx, scores.view(),
                                   {.target = target.view(), .log_q = log_q.view(), .count = {}},
                                   {}, {}, scores.view(), loss.view());
      ops::matmul<float>(ctx, scores.view(), item->unit.view(), {}, grad_users.view());
      ops::matmul<float>(ctx, scores.view(), user->unit.view(), {.a = ops::Transpose::yes},
                         grad_items.view());
      set_zero<float, Space::device>(ctx, parameters.gradients());
      network.backward_users(ctx, parameters, batch, *user, grad_users.view());
      network.backward_items(ctx, parameters, x.view(), *item, grad_items.view());
      adam->step(ctx, parameters.values(), std::as_const(parameters).gradients());
    };
  });
}
