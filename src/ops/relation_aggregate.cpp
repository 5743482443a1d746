#include <relweave/ops/relation_aggregate/relation_aggregate.hpp>

#include <algorithm>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/profile.hpp>
#include <relweave/ops/relation_aggregate/arg.hpp>
#include <relweave/ops/relation_aggregate/tuning.hpp>

#include "csr_scan.hpp"
#include "edge_partition.hpp"
#include "relation_aggregate_kernels.hpp"

namespace relweave::ops {

namespace {

struct HubChunk {
  EdgeOffset begin;
  std::int64_t count;
  std::int64_t slot;  ///< of the first edge in its row
};

struct Hubs {
  std::vector<cpu::Hub> rows;
  std::vector<HubChunk> chunks;
};

Hubs find_hubs(RelationCsrView<> const& csr, CsrScan const& scan) {
  Hubs hubs;
  if (scan.largest_degree <= cpu::hub_degree) {
    return hubs;
  }
  for (std::int64_t row = 0; row < csr.n_dst * csr.relations; ++row) {
    EdgeOffset const begin = csr.row_offsets[row];
    std::int64_t const degree = csr.row_offsets[row + 1] - begin;
    if (degree > cpu::hub_degree) {
      hubs.rows.push_back({row, std::ssize(hubs.chunks)});
      for (std::int64_t slot = 0; slot < degree; slot += cpu::hub_chunk) {
        hubs.chunks.push_back({begin + slot, std::min(cpu::hub_chunk, degree - slot), slot});
      }
    }
  }
  return hubs;
}

/// Whether a pass per relation can pay, before the ranges are known; see tuning.hpp.
template <typename T>
bool passes_may_pay(RelationCsrView<> const& csr, std::int64_t d) {
  std::int64_t const bytes = csr.message_rows * d * static_cast<std::int64_t>(sizeof(T));
  return csr.relations > 1 && bytes > cpu::resident_bytes &&
         csr.cols.size >= csr.n_dst * csr.relations * cpu::least_degree_per_pass;
}

/// Whether arrays may be written past the caches: too large for them, and rows on cache lines.
template <typename T>
bool streams(cpu::AggregateArguments<T> const& a, std::int64_t n_dst) {
  constexpr auto line = static_cast<std::int64_t>(host_alignment);
  std::int64_t const row = a.sums_stride * static_cast<std::int64_t>(sizeof(*a.sums));
  std::int64_t const bytes = n_dst * row + a.rows * a.d * (a.arg == nullptr ? 0 : a.arg_width);
  return bytes > cpu::resident_bytes && a.d % line == 0 && row % line == 0 &&
         reinterpret_cast<std::uintptr_t>(a.sums) % host_alignment == 0;
}

/// Whether every relation alone reads few enough messages to keep them in the cache.
template <typename T>
bool each_fits(VectorView<MessageRange const> ranges, std::int64_t d) {
  return std::all_of(ranges.begin(), ranges.end(), [&](MessageRange const& range) {
    std::int64_t const bytes = (range.end - range.begin) * d * static_cast<std::int64_t>(sizeof(T));
    return bytes <= cpu::resident_bytes;
  });
}

}  // namespace

template <HostScalar T>
void relation_aggregate(HostContext const& ctx, RelationCsrView<> const& csr,
                        In<MatrixView<T const>> messages, In<MatrixView<T const>> self,
                        RelationAggregateParams const& params, MatrixView<T> out,
                        RelationAggregateCache<Compute<T>>* cache) {
  ProfileScope const profile("relation_aggregate");
  using C = Compute<T>;
  constexpr std::string_view here = "relation_aggregate";
  std::int64_t const d = out.cols;
  expect_shape(here, "out", out, csr.n_dst, d);
  if (csr.message_rows > 0 || messages.rows > 0) {
    expect_shape(here, "messages", messages, csr.message_rows, d);
  }
  if (!self.empty()) {
    expect_shape(here, "self", self, csr.n_dst, d);
  }
  Workspace::Scope scratch(scratch_of(ctx));
  bool const many = passes_may_pay<T>(csr, d);
  auto const ranges = scratch.vector<MessageRange>(many ? csr.relations : 0);
  CsrScan const scan = scan_csr(ctx, here, csr, ranges, cache != nullptr);
  bool const by_relation = many && each_fits<T>(ranges, d);
  auto const& kernels = relation_aggregate_kernels<T>(ctx);
  Hubs const hubs = find_hubs(csr, scan);
  MatrixView<C> const sums = [&] {
    if constexpr (std::same_as<T, C>) {
      return out;
    } else {
      return scratch.matrix<C>(by_relation ? csr.n_dst : 0, d);
    }
  }();
  cpu::AggregateArguments<T> arguments{
      .row_offsets = csr.row_offsets.data,
      .cols = csr.cols.data,
      .rows = csr.n_dst * csr.relations,
      .relations = csr.relations,
      .d = d,
      .messages = messages.data,
      .messages_stride = messages.stride,
      .self = self.empty() ? nullptr : self.data,
      .self_stride = self.stride,
      .out = out.data,
      .out_stride = out.stride,
      .sums = sums.data,
      .sums_stride = sums.stride,
      .params = params,
      .arg_width = detail::arg_width_of(scan.largest_degree),
      .hubs = hubs.rows.data(),
      .partial_values = scratch.vector<C>(std::ssize(hubs.chunks) * d).data,
      .partial_slots = scratch.vector<std::int32_t>(std::ssize(hubs.chunks) * d).data};
  if (cache != nullptr) {
    cache->csr_fingerprint = scan.fingerprint;
    cache->params = params;
  }
  if (cache != nullptr && params.reduce == Reduce::max) {
    cache->arg_width = arguments.arg_width;
    cache->arg.reset(csr.n_dst * csr.relations * d * arguments.arg_width);
    arguments.arg = cache->arg.data();
  }
  if (cache != nullptr && params.l2_normalize) {
    cache->norm.reset(csr.n_dst);
    arguments.norm = cache->norm.data();
  }

  arguments.streams = by_relation && streams(arguments, csr.n_dst);
  parallel_for(ctx, std::ssize(hubs.chunks), [&](std::int64_t chunk) {
    HubChunk const& c = hubs.chunks[static_cast<std::size_t>(chunk)];
    kernels.partial(arguments, c.begin, c.count, c.slot, chunk);
  });
  EdgePartition const partition(csr.row_offsets, csr.n_dst, csr.relations,
                                d * static_cast<std::int64_t>(sizeof(T)));
  std::int64_t const step = by_relation ? 1 : std::max(csr.relations, 1);
  for (std::int64_t r = 0; r == 0 || r < csr.relations; r += step) {
    cpu::AggregatePass const pass{r, std::min<std::int64_t>(r + step, csr.relations)};
    parallel_for(ctx, partition.tasks(), [&](std::int64_t task) {
      Workspace::Scope row(scratch_of(HostContext{}));  // of the thread that runs the task
      cpu::AggregateArguments<T> of_task = arguments;
      if (!std::same_as<T, C> && !by_relation) {
        of_task.sums = row.vector<C>(params.l2_normalize ? d : 0).data;
        of_task.sums_stride = 0;
      }
      kernels.forward(of_task, pass, partition.begin(task), partition.begin(task + 1));
    });
  }
}

#define RELWEAVE_INSTANTIATE(T)                                                               \
  template void relation_aggregate<T>(                                                        \
      HostContext const&, RelationCsrView<> const&, MatrixView<T const>, MatrixView<T const>, \
      RelationAggregateParams const&, MatrixView<T>, RelationAggregateCache<Compute<T>>*)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(double);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
