#include <relweave/ops/relation_aggregate/device_csr.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <relweave/core/context.hpp>
#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/workspace.hpp>

#include "csr_scan.hpp"

namespace relweave::ops {

namespace {

constexpr std::string_view here = "DeviceCsr.upload";

template <typename T>
VectorView<T const> view_of(std::vector<T> const& v) {
  return {v.data(), std::ssize(v)};
}

constexpr std::int64_t rows_per_block = std::int64_t{1} << 16;

// Edges whose transpose is made in memory that stays: 28 bytes each, 36 with win masks.
constexpr std::int64_t most_kept_edges = std::int64_t{1} << 23;

/// Work lists of `n` rows, of which each has `rows_each` rows of `offsets`.
struct HostWork {
  VectorView<NodeId> order;
  std::vector<std::int64_t> hubs;
  std::vector<std::int32_t> first_chunk;

  HostWork(HostContext const& host, Workspace::Scope& scratch, VectorView<EdgeOffset const> offsets,
           std::int64_t n, std::int64_t rows_each, DeviceCsrOptions const& options)
      : order(scratch.vector<NodeId>(n)) {
    find_order(host, offsets, n, rows_each);
    find_hubs(host, offsets, n * rows_each, options);
  }

 private:
  /// Longest classes first, rows of a class in their own order: neighbours stay neighbours.
  void find_order(HostContext const& host, VectorView<EdgeOffset const> offsets, std::int64_t n,
                  std::int64_t rows_each) {
    auto const length_class = [&](std::int64_t i) {
      EdgeOffset const degree = offsets[(i + 1) * rows_each] - offsets[i * rows_each];
      return 63 - std::countl_zero(static_cast<std::uint64_t>(degree) | 1);  // same power of two
    };
    using Places = std::array<std::int64_t, 64>;  // of the next row of each class
    std::vector<Places> places(blocks_of(n), Places{});
    auto const for_rows = [&](auto&& f) {
      parallel_for_blocks(host, n, rows_per_block, [&](std::int64_t begin, std::int64_t end) {
        Places& place = places[static_cast<std::size_t>(begin / rows_per_block)];
        for (std::int64_t i = begin; i < end; ++i) {
          f(i, place[static_cast<std::size_t>(length_class(i))]);
        }
      });
    };
    for_rows([](std::int64_t, std::int64_t& count) { ++count; });
    std::int64_t before = 0;
    for (std::size_t c = Places{}.size(); c-- > 0;) {
      for (Places& place : places) {
        before += std::exchange(place[c], before);
      }
    }
    for_rows([&](std::int64_t i, std::int64_t& place) { order[place++] = static_cast<NodeId>(i); });
  }

  void find_hubs(HostContext const& host, VectorView<EdgeOffset const> offsets, std::int64_t rows,
                 DeviceCsrOptions const& options) {
    auto const degree_of = [&](std::int64_t row) { return offsets[row + 1] - offsets[row]; };
    std::vector<std::vector<std::int64_t>> found(blocks_of(rows));
    parallel_for_blocks(host, rows, rows_per_block, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        if (degree_of(row) > options.hub_degree) {
          found[static_cast<std::size_t>(begin / rows_per_block)].push_back(row);
        }
      }
    });
    std::int64_t chunks = 0;
    for (auto const& block : found) {
      for (std::int64_t const row : block) {
        hubs.push_back(row);
        first_chunk.push_back(static_cast<std::int32_t>(chunks));
        chunks += (degree_of(row) + options.hub_chunk - 1) / options.hub_chunk;
      }
    }
    if (chunks > std::numeric_limits<std::int32_t>::max()) {
      raise<ConfigError>(here, "options.hub_chunk", std::to_string(options.hub_chunk),
                         "chunks so large that there are fewer than 2^31 of them");
    }
    first_chunk.push_back(static_cast<std::int32_t>(chunks));
  }

  static std::size_t blocks_of(std::int64_t rows) {
    return static_cast<std::size_t>((rows + rows_per_block - 1) / rows_per_block);
  }
};

/// The edges in the order of their columns, those of a column in their own: one result, however
/// the work is split. Parts of the rows hand their edges to ranges of columns first, so that each
/// range then sorts a few of its own.
class HostTranspose {
 public:
  VectorView<EdgeOffset> col_offsets, positions;
  VectorView<NodeId> dst;
  VectorView<std::int32_t> relations, slots;

  HostTranspose(HostContext const& host, Workspace::Scope& scratch, RelationCsrView<> const& csr,
                CsrScan const& scan, MaxBackward max_backward)
      : col_offsets(scratch.vector<EdgeOffset>(csr.message_rows + 1)),
        positions(
            scratch.vector<EdgeOffset>(max_backward == MaxBackward::win_mask ? csr.cols.size : 0)),
        dst(scratch.vector<NodeId>(scan.last_edge - scan.first_edge)),
        relations(scratch.vector<std::int32_t>(dst.size)),
        slots(scratch.vector<std::int32_t>(dst.size)),
        csr_(csr),
        edges_(scratch.vector<Edge>(dst.size)) {
    std::int64_t const parts = std::clamp<std::int64_t>(dst.size / edges_per_part, 1, most_parts);
    range_bits_ =
        static_cast<int>(std::bit_width(static_cast<std::uint64_t>(csr.message_rows / parts)));
    std::vector<Places> places(static_cast<std::size_t>(parts), Places{});
    auto const each_part = [&](auto const& f) {
      parallel_for(host, parts, [&](std::int64_t part) {
        f(part * csr.n_dst / parts, (part + 1) * csr.n_dst / parts,
          places[static_cast<std::size_t>(part)]);
      });
    };
    each_part([&](std::int64_t begin, std::int64_t end, Places& count) {
      for_edges(begin, end, [&](Edge const& edge) { ++count[range_of(edge.col)]; });
    });
    std::vector<EdgeOffset> range_begin;
    EdgeOffset before = 0;
    for (std::size_t range = 0; range < Places{}.size(); ++range) {
      range_begin.push_back(before);
      for (Places& place : places) {
        before += std::exchange(place[range], before);
      }
    }
    range_begin.push_back(before);
    each_part([&](std::int64_t begin, std::int64_t end, Places& place) {
      for_edges(begin, end, [&](Edge const& edge) { edges_[place[range_of(edge.col)]++] = edge; });
    });
    parallel_for(host, parts, [&](std::int64_t range) {
      auto const at = static_cast<std::size_t>(range);
      sort_range(range << range_bits_, range_begin[at], range_begin[at + 1]);
    });
    col_offsets[csr.message_rows] = before;
  }

 private:
  static constexpr std::int64_t most_parts = 64;
  static constexpr std::int64_t edges_per_part = 1 << 14;
  using Places = std::array<EdgeOffset, most_parts>;  // of the next edge of each range

  struct Edge {
    NodeId col, dst;
    std::int32_t relation, slot;
  };

  std::size_t range_of(NodeId col) const { return static_cast<std::size_t>(col >> range_bits_); }

  /// The edges of the rows [begin, end) of destinations, in their order.
  template <typename F>
  void for_edges(std::int64_t begin, std::int64_t end, F const& f) {
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int32_t r = 0; r < csr_.relations; ++r) {
        EdgeOffset const row_begin = csr_.row_offsets[i * csr_.relations + r];
        EdgeOffset const row_end = csr_.row_offsets[i * csr_.relations + r + 1];
        for (EdgeOffset e = row_begin; e < row_end; ++e) {
          f(Edge{.col = csr_.cols[e],
                 .dst = static_cast<NodeId>(i),
                 .relation = r,
                 .slot = static_cast<std::int32_t>(e - row_begin)});
        }
      }
    }
  }

  /// Sorts the edges [begin, end), whose columns are those of a range.
  void sort_range(std::int64_t first_col, EdgeOffset begin, EdgeOffset end) {
    std::int64_t const cols =
        std::min(std::int64_t{1} << range_bits_, csr_.message_rows - first_col);
    if (cols <= 0) {
      return;
    }
    EdgeOffset* const place = col_offsets.data + first_col;
    std::fill_n(place, cols, 0);
    for (EdgeOffset k = begin; k < end; ++k) {
      ++place[edges_[k].col - first_col];
    }
    EdgeOffset before = begin;
    for (std::int64_t j = 0; j < cols; ++j) {
      before += std::exchange(place[j], before);
    }
    for (EdgeOffset k = begin; k < end; ++k) {
      Edge const& edge = edges_[k];
      EdgeOffset const to = place[edge.col - first_col]++;
      dst[to] = edge.dst;
      relations[to] = edge.relation;
      slots[to] = edge.slot;
      if (!positions.empty()) {
        std::int64_t const row = std::int64_t{edge.dst} * csr_.relations + edge.relation;
        positions[csr_.row_offsets[row] + edge.slot] = to;
      }
    }
    for (std::int64_t j = cols - 1; j > 0; --j) {  // from ends back to beginnings
      place[j] = place[j - 1];
    }
    place[0] = begin;
  }

  RelationCsrView<> csr_;
  VectorView<Edge> edges_;  // range after range
  int range_bits_ = 0;      // a range has two to the power of this many columns
};

/// Sends arrays one by one.
struct ToDevice {
  CudaContext const& ctx;
  StagedUpload& staged;

  template <typename T>
  VectorView<T const, Space::device> operator()(std::type_identity_t<VectorView<T const>> from,
                                                Buffer<T, Space::device>& to) const {
    to.reset(from.size);
    staged.send<T>(ctx, from, to.view());
    return to.view();
  }
};

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
}

}  // namespace

void DeviceCsr::upload(CudaContext const& ctx, RelationCsrView<> const& csr,
                       DeviceCsrOptions const& options) {
  expect_cuda(here, ctx);
  HostContext const& host = ctx.host;
  CsrScan const scan = scan_csr(host, here, csr, {}, /*fingerprint=*/true);
  check(csr, scan, options);
  DeviceGuard const guard(ctx.device);
  fingerprint_ = 0;  // until all of it is there
  staged_.begin();
  ToDevice const to_device{ctx, staged_};

  auto const upload_work = [&](HostWork const& from, Work& to) {
    return DeviceWork{.order = to_device(from.order, to.order),
                      .hubs = to_device(view_of(from.hubs), to.hubs),
                      .first_chunk = to_device(view_of(from.first_chunk), to.first_chunk),
                      .chunks = from.first_chunk.back()};
  };
  // Blocks of training steps come to rest in memory that stays; a whole graph's goes again.
  Workspace own;
  bool const large = scan.last_edge - scan.first_edge > most_kept_edges;
  Workspace::Scope scratch(large ? own : scratch_of(host));
  rows_work_ = upload_work(
      HostWork(host, scratch, csr.row_offsets, csr.n_dst, csr.relations, options), rows_);
  view_ = {.row_offsets = to_device(csr.row_offsets, row_offsets_),
           .cols = to_device(csr.cols, cols_),
           .n_dst = csr.n_dst,
           .relations = csr.relations,
           .message_rows = csr.message_rows};
  transpose_ = {};
  messages_work_ = {};
  if (options.transpose) {
    HostTranspose const transpose(host, scratch, csr, scan, options.max_backward);
    messages_work_ = upload_work(
        HostWork(host, scratch, transpose.col_offsets, csr.message_rows, 1, options), messages_);
    transpose_ = {.col_offsets = to_device(transpose.col_offsets, col_offsets_),
                  .dst = to_device(transpose.dst, dst_),
                  .relations = to_device(transpose.relations, relations_),
                  .slots = to_device(transpose.slots, slots_),
                  .positions = to_device(transpose.positions, positions_)};
  }
  staged_.end(ctx);
  options_ = options;
  largest_degree_ = scan.largest_degree;
  fingerprint_ = scan.fingerprint;
}

}  // namespace relweave::ops
