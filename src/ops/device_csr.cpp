#include <relweave/ops/relation_aggregate/device_csr.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <relweave/core/context.hpp>
#include <relweave/core/error.hpp>

#include "csr_scan.hpp"
#include "device_sums.hpp"

namespace relweave::ops {

namespace {

constexpr std::string_view here = "DeviceCsr.upload";

template <typename T>
VectorView<T const> view_of(std::vector<T> const& v) {
  return {v.data(), std::ssize(v)};
}

/// Work lists of `n` rows, of which each has `rows_each` rows of `offsets`.
struct HostWork {
  std::vector<NodeId> order;
  std::vector<std::int64_t> hubs;
  std::vector<std::int32_t> first_chunk;

  HostWork(VectorView<EdgeOffset const> offsets, std::int64_t n, std::int64_t rows_each,
           DeviceCsrOptions const& options)
      : order(static_cast<std::size_t>(n)) {
    auto const length_class = [&](std::int64_t i) {
      EdgeOffset const degree = offsets[(i + 1) * rows_each] - offsets[i * rows_each];
      return 63 - std::countl_zero(static_cast<std::uint64_t>(degree) | 1);  // same power of two
    };
    // Longest classes first, rows of a class in their own order: neighbours stay neighbours.
    std::array<std::int64_t, 64> place{};
    for (std::int64_t i = 0; i < n; ++i) {
      ++place[static_cast<std::size_t>(length_class(i))];
    }
    std::int64_t before = 0;
    for (std::size_t c = place.size(); c-- > 0;) {
      before += std::exchange(place[c], before);
    }
    for (std::int64_t i = 0; i < n; ++i) {
      order[static_cast<std::size_t>(place[static_cast<std::size_t>(length_class(i))]++)] =
          static_cast<NodeId>(i);
    }
    find_hubs(offsets, n * rows_each, options);
  }

 private:
  void find_hubs(VectorView<EdgeOffset const> offsets, std::int64_t rows,
                 DeviceCsrOptions const& options) {
    std::int64_t chunks = 0;
    for (std::int64_t row = 0; row < rows; ++row) {
      EdgeOffset const degree = offsets[row + 1] - offsets[row];
      if (degree > options.hub_degree) {
        hubs.push_back(row);
        first_chunk.push_back(static_cast<std::int32_t>(chunks));
        chunks += (degree + options.hub_chunk - 1) / options.hub_chunk;
      }
    }
    if (chunks > std::numeric_limits<std::int32_t>::max()) {
      raise<ConfigError>(here, "options.hub_chunk", std::to_string(options.hub_chunk),
                         "chunks so large that there are fewer than 2^31 of them");
    }
    first_chunk.push_back(static_cast<std::int32_t>(chunks));
  }
};

struct HostTranspose {
  std::vector<EdgeOffset> col_offsets, positions;
  std::vector<NodeId> dst;
  std::vector<std::int32_t> relations, slots;

  HostTranspose(RelationCsrView<> const& csr, MaxBackward max_backward)
      : col_offsets(static_cast<std::size_t>(csr.message_rows) + 1, 0) {
    std::int64_t const rows = csr.n_dst * csr.relations;
    EdgeOffset const first = rows == 0 ? 0 : csr.row_offsets[0];
    auto const edges = static_cast<std::size_t>(rows == 0 ? 0 : csr.row_offsets[rows] - first);
    dst.resize(edges);
    relations.resize(edges);
    slots.resize(edges);
    positions.resize(max_backward == MaxBackward::win_mask ? static_cast<std::size_t>(csr.cols.size)
                                                           : 0);
    for (std::size_t e = 0; e < edges; ++e) {
      ++col_offsets[static_cast<std::size_t>(csr.cols[first + static_cast<EdgeOffset>(e)]) + 1];
    }
    for (std::size_t j = 1; j < col_offsets.size(); ++j) {
      col_offsets[j] += col_offsets[j - 1];
    }
    std::vector<EdgeOffset> next(col_offsets.begin(), col_offsets.end() - 1);
    for (std::int64_t i = 0; i < csr.n_dst; ++i) {
      for (std::int32_t r = 0; r < csr.relations; ++r) {
        EdgeOffset const begin = csr.row_offsets[i * csr.relations + r];
        EdgeOffset const end = csr.row_offsets[i * csr.relations + r + 1];
        for (EdgeOffset e = begin; e < end; ++e) {
          auto const k = static_cast<std::size_t>(next[static_cast<std::size_t>(csr.cols[e])]++);
          dst[k] = static_cast<NodeId>(i);
          relations[k] = r;
          slots[k] = static_cast<std::int32_t>(e - begin);
          if (!positions.empty()) {
            positions[static_cast<std::size_t>(e)] = static_cast<EdgeOffset>(k);
          }
        }
      }
    }
  }
};

/// Every `step`-th offset, from 0.
std::vector<std::int32_t> narrow_offsets(VectorView<EdgeOffset const> offsets, std::int64_t step) {
  std::vector<std::int32_t> narrow(static_cast<std::size_t>((offsets.size - 1) / step + 1));
  for (std::size_t i = 0; i < narrow.size(); ++i) {
    narrow[i] =
        static_cast<std::int32_t>(offsets[static_cast<std::int64_t>(i) * step] - offsets[0]);
  }
  return narrow;
}

template <typename T>
VectorView<T const, Space::device> to_device(CudaContext const& ctx, VectorView<T const> from,
                                             Buffer<T, Space::device>& to) {
  to.reset(from.size);
  copy(ctx, from, to.view());
  return to.view();
}

/// The csr's part of `sums`; `cols` are all of its columns on the device.
void upload_rows(CudaContext const& ctx, RelationCsrView<> const& csr, CsrScan const& scan,
                 VectorView<NodeId const, Space::device> cols, detail::DeviceSums& sums) {
  sums.first_edge = scan.first_edge;
  sums.edges = scan.last_edge - scan.first_edge;
  sums.in_float.forget();
  sums.in_bfloat16.forget();
  if (sums.edges == 0) {
    return;
  }
  // A csr that is a slice of another gets columns of its own, which begin at a round address.
  bool const whole = scan.first_edge == 0;
  auto const used = csr.cols.slice(scan.first_edge, sums.edges);
  auto const offsets = narrow_offsets(csr.row_offsets, csr.relations);
  sums.rows.assign({.row_offsets = to_device(ctx, view_of(offsets), sums.row_offsets),
                    .cols = whole ? cols.slice(0, sums.edges) : to_device(ctx, used, sums.cols),
                    .n_cols = csr.message_rows});
}

void check(RelationCsrView<> const& csr, CsrScan const& scan, DeviceCsrOptions const& options) {
  constexpr std::int64_t largest = std::numeric_limits<std::int32_t>::max();
  auto const limit = [&](std::string_view argument, std::int64_t got, std::string_view what) {
    if (got > largest) {
      raise<ShapeError>(here, argument, std::to_string(got), std::string(what));
    }
  };
  limit("csr.n_dst", csr.n_dst, "fewer than 2^31 destinations");
  limit("csr.message_rows", csr.message_rows,
        "fewer than 2^31 message rows: give each destination type a graph of its own");
  limit("csr.row_offsets", scan.largest_degree, "rows of fewer than 2^31 edges");
  if (options.hub_degree < 1 || options.hub_chunk < 1) {
    raise<ConfigError>(here, "options",
                       "hub_degree " + std::to_string(options.hub_degree) + ", hub_chunk " +
                           std::to_string(options.hub_chunk),
                       "both at least 1");
  }
  if (options.sum_backend == SumBackend::cusparse) {
    if (!cusparse_compiled()) {
      raise<ConfigError>(here, "options.sum_backend", "SumBackend::cusparse, without cuSPARSE",
                         "SumBackend::fused",
                         "Or install the toolkit's cuSPARSE or pip's nvidia-cusparse, and build "
                         "relweave again.");
    }
    limit("csr.cols", scan.last_edge - scan.first_edge,
          "fewer than 2^31 edges with SumBackend::cusparse: take SumBackend::fused");
  }
}

}  // namespace

void DeviceCsr::upload(CudaContext const& ctx, RelationCsrView<> const& csr,
                       DeviceCsrOptions const& options) {
  expect_cuda(here, ctx);
  CsrScan const scan = scan_csr({}, here, csr);
  check(csr, scan, options);
  DeviceGuard const guard(ctx.device);
  fingerprint_ = 0;  // until all of it is there

  auto const upload_work = [&](HostWork const& from, Work& to) {
    return DeviceWork{.order = to_device(ctx, view_of(from.order), to.order),
                      .hubs = to_device(ctx, view_of(from.hubs), to.hubs),
                      .first_chunk = to_device(ctx, view_of(from.first_chunk), to.first_chunk),
                      .chunks = from.first_chunk.back()};
  };
  rows_work_ = upload_work(HostWork(csr.row_offsets, csr.n_dst, csr.relations, options), rows_);
  view_ = {.row_offsets = to_device(ctx, csr.row_offsets, row_offsets_),
           .cols = to_device(ctx, csr.cols, cols_),
           .n_dst = csr.n_dst,
           .relations = csr.relations,
           .message_rows = csr.message_rows};
  if (options.sum_backend == SumBackend::fused) {
    sums_.reset();
  } else {
    if (sums_ == nullptr) {
      sums_.reset(new detail::DeviceSums);
    }
    upload_rows(ctx, csr, scan, view_.cols, *sums_);
  }
  transpose_ = {};
  messages_work_ = {};
  if (options.transpose) {
    HostTranspose const transpose(csr, options.max_backward);
    messages_work_ = upload_work(
        HostWork(view_of(transpose.col_offsets), csr.message_rows, 1, options), messages_);
    transpose_ = {.col_offsets = to_device(ctx, view_of(transpose.col_offsets), col_offsets_),
                  .dst = to_device(ctx, view_of(transpose.dst), dst_),
                  .relations = to_device(ctx, view_of(transpose.relations), relations_),
                  .slots = to_device(ctx, view_of(transpose.slots), slots_),
                  .positions = to_device(ctx, view_of(transpose.positions), positions_)};
    if (sums_ != nullptr && sums_->edges > 0) {
      auto const offsets = narrow_offsets(view_of(transpose.col_offsets), 1);
      sums_->messages.assign({.row_offsets = to_device(ctx, view_of(offsets), sums_->col_offsets),
                              .cols = transpose_.dst,
                              .n_cols = csr.n_dst});
    }
  }
  options_ = options;
  largest_degree_ = scan.largest_degree;
  fingerprint_ = csr_fingerprint({}, csr);
}

void DeviceCsr::DeleteSums::operator()(detail::DeviceSums* sums) const {
  delete sums;
}

}  // namespace relweave::ops
