#include <algorithm>
#include <numeric>
#include <span>
#include <string>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/profile.hpp>
#include <relweave/ops/relation_aggregate/arg.hpp>
#include <relweave/ops/relation_aggregate/relation_aggregate.hpp>

#include "column_tiles.hpp"
#include "csr_scan.hpp"
#include "relation_aggregate_kernels.hpp"

namespace relweave::ops {

namespace {

constexpr std::string_view here = "relation_aggregate_backward";

template <typename C>
void check_cache(RelationCsrView<> const& csr, RelationAggregateCache<C> const& cache,
                 CsrScan const& scan, RelationAggregateParams const& params, std::int64_t d) {
  constexpr std::string_view remedy = "Pass the cache of the forward pass with the same csr.";
  if (cache.csr_fingerprint == 0) {
    raise<ConfigError>(here, "cache", "no forward pass", "that of a forward pass");
  }
  if (!(cache.params == params)) {
    raise<ConfigError>(here, "params", "others than the forward pass", "those of the cache");
  }
  if (cache.csr_fingerprint != scan.fingerprint) {
    raise<GraphError>(here, "cache", "that of another csr", "that of this csr", remedy);
  }
  std::int64_t const width = detail::arg_width_of(scan.largest_degree);
  std::int64_t const bytes = csr.n_dst * csr.relations * d * width;
  if (params.reduce == Reduce::max && cache.arg.size() != bytes) {
    raise<ShapeError>(here, "cache.arg", std::to_string(cache.arg.size()) + " bytes",
                      std::to_string(bytes) + " bytes", remedy);
  }
  if (params.reduce == Reduce::max && bytes > 0 && cache.arg_width != width) {
    raise<ShapeError>(here, "cache.arg_width", std::to_string(cache.arg_width),
                      std::to_string(width), remedy);
  }
  if (params.l2_normalize && cache.norm.size() != csr.n_dst) {
    raise<ShapeError>(here, "cache.norm", std::to_string(cache.norm.size()) + " elements",
                      std::to_string(csr.n_dst) + " elements", remedy);
  }
}

/// Relations that read common message rows (ascending), and the rows that no other group adds to.
struct RelationGroup {
  std::int32_t* relations;
  std::int64_t count;
  MessageRange rows;
};

/// Groups relations whose ranges overlap; the groups' rows cover all message rows once.
std::span<RelationGroup const> group_relations(VectorView<MessageRange const> ranges,
                                               std::int64_t message_rows,
                                               Workspace::Scope& scratch) {
  auto const order = scratch.vector<std::int32_t>(ranges.size);
  auto const groups = scratch.vector<RelationGroup>(std::max<std::int64_t>(ranges.size, 1));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return std::pair(ranges[a].begin, a) < std::pair(ranges[b].begin, b);
  });
  RelationGroup* last = groups.begin();
  *last = {order.begin(), 0, {}};
  for (std::int32_t& relation : order) {
    MessageRange const& range = ranges[relation];
    if (last->count > 0 && range.begin >= last->rows.end) {
      MessageRange const rows{last->rows.end, range.end};
      *++last = {&relation, 0, rows};
    }
    ++last->count;
    last->rows.end = std::max(last->rows.end, range.end);
  }
  last->rows.end = message_rows;
  for (RelationGroup* group = groups.begin(); group <= last; ++group) {
    std::sort(group->relations, group->relations + group->count);
  }
  return {groups.begin(), last + 1};
}

}  // namespace

template <HostScalar T>
void relation_aggregate_backward(HostContext const& ctx, RelationCsrView<> const& csr,
                                 In<MatrixView<T const>> out,
                                 RelationAggregateCache<Compute<T>> const& cache,
                                 In<MatrixView<T const>> grad_out,
                                 RelationAggregateParams const& params, MatrixView<T> grad_messages,
                                 MatrixView<T> grad_self) {
  ProfileScope const profile("relation_aggregate_backward");
  std::int64_t const d = grad_out.cols;
  expect_shape(here, "grad_out", grad_out, csr.n_dst, d);
  expect_shape(here, "out", out, csr.n_dst, d);
  if (csr.message_rows > 0 || grad_messages.rows > 0) {
    expect_shape(here, "grad_messages", grad_messages, csr.message_rows, d);
  }
  if (!grad_self.empty()) {
    expect_shape(here, "grad_self", grad_self, csr.n_dst, d);
  }
  Workspace::Scope scratch(scratch_of(ctx));
  auto const ranges = scratch.vector<MessageRange>(csr.relations);
  CsrScan const scan = scan_csr(ctx, here, csr, ranges, /*fingerprint=*/true);
  check_cache(csr, cache, scan, params, d);

  bool const passes = params.activation == Activation::identity && !params.l2_normalize;
  MatrixView<T> const scratch_g =
      grad_self.empty() && !passes ? scratch.matrix<T>(csr.n_dst, d) : grad_self;
  MatrixView<T const> const g = scratch_g.empty() ? grad_out : MatrixView<T const>(scratch_g);
  cpu::AggregateBackwardArguments<T> const arguments{.row_offsets = csr.row_offsets.data,
                                                     .cols = csr.cols.data,
                                                     .relations = csr.relations,
                                                     .d = d,
                                                     .out = out.data,
                                                     .out_stride = out.stride,
                                                     .norm = cache.norm.data(),
                                                     .grad_out = grad_out.data,
                                                     .grad_out_stride = grad_out.stride,
                                                     .params = params,
                                                     .arg = cache.arg.data(),
                                                     .arg_width = cache.arg_width,
                                                     .g = g.data,
                                                     .g_stride = g.stride};
  auto const& kernels = relation_aggregate_kernels<T>(ctx);
  if (!scratch_g.empty()) {
    constexpr std::int64_t rows_per_task = 256;
    parallel_for_blocks(ctx, csr.n_dst, rows_per_task, [&](std::int64_t begin, std::int64_t end) {
      kernels.pre_activation(arguments, scratch_g.data, scratch_g.stride, begin, end);
    });
  }

  auto const groups = group_relations(ranges, csr.message_rows, scratch);
  std::int64_t largest = 0;
  for (RelationGroup const& group : groups) {
    largest = std::max(largest, group.rows.end - group.rows.begin);
  }
  ColumnTiles<T> const tiles(d, largest, std::ssize(groups));
  parallel_for(ctx, std::ssize(groups) * tiles.count(), [&](std::int64_t task) {
    RelationGroup const& group = groups[static_cast<std::size_t>(task / tiles.count())];
    tiles.overwrite(grad_messages, group.rows.begin, group.rows.end, task % tiles.count(),
                    [&](SumTile<Compute<T>> const& tile) {
                      kernels.scatter(arguments, group.relations, group.count, csr.n_dst, tile);
                    });
  });
}

#define RELWEAVE_INSTANTIATE(T)                                          \
  template void relation_aggregate_backward<T>(                          \
      HostContext const&, RelationCsrView<> const&, MatrixView<T const>, \
      RelationAggregateCache<Compute<T>> const&, MatrixView<T const>,    \
      RelationAggregateParams const&, MatrixView<T>, MatrixView<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(double);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
