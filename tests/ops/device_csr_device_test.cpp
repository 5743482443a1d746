#include <catch2/catch.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <numeric>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/ops/relation_aggregate/device_csr.hpp>

#include <support/device.hpp>
#include <support/random_graph.hpp>

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

template <typename T>
std::vector<T> downloaded(Device& device, VectorView<T const, Space::device> from) {
  auto const buffer = device.download<T>(from);
  return {buffer.data(), buffer.data() + buffer.size()};
}

/// All that a DeviceCsr holds, on the host.
struct Contents {
  std::vector<NodeId> row_order, message_order, dst;
  std::vector<std::int64_t> row_hubs, message_hubs;
  std::vector<std::int32_t> row_chunks, message_chunks, relations, slots;
  std::vector<EdgeOffset> col_offsets, positions;

  Contents(Device& device, DeviceCsr const& csr)
      : row_order(downloaded(device, csr.rows_work().order)),
        message_order(downloaded(device, csr.messages_work().order)),
        dst(downloaded(device, csr.transpose().dst)),
        row_hubs(downloaded(device, csr.rows_work().hubs)),
        message_hubs(downloaded(device, csr.messages_work().hubs)),
        row_chunks(downloaded(device, csr.rows_work().first_chunk)),
        message_chunks(downloaded(device, csr.messages_work().first_chunk)),
        relations(downloaded(device, csr.transpose().relations)),
        slots(downloaded(device, csr.transpose().slots)),
        col_offsets(downloaded(device, csr.transpose().col_offsets)),
        positions(downloaded(device, csr.transpose().positions)) {}

  bool operator==(Contents const&) const = default;
};

/// More rows than one task takes, hubs among rows and messages.
OwnedCsr large_csr() {
  return random_csr({.n_dst = 70'000, .relations = 2, .sources = 90, .hub_degree = 5000});
}

CudaContext on_threads(Device& device, int threads) {
  CudaContext ctx = device.context();
  ctx.host.threads = threads;
  return ctx;
}

}  // namespace

TEST_CASE("DeviceCsr holds the same for any number of threads", "[ops][gpu]") {
  Device device;
  OwnedCsr const csr = large_csr();
  DeviceCsrOptions const options{.max_backward = MaxBackward::win_mask};
  auto const with_threads = [&](int threads) {
    return Contents(device, DeviceCsr(on_threads(device, threads), csr.view(), options));
  };

  auto const one = with_threads(1);

  CHECK(one == with_threads(2));
  CHECK(one == with_threads(3));
  CHECK(one == with_threads(40));
}

TEST_CASE("DeviceCsr's transpose has each edge once, a column's edges in their order",
          "[ops][gpu]") {
  Device device;
  OwnedCsr const csr = large_csr();
  Contents const got(device, DeviceCsr(on_threads(device, 3), csr.view(),
                                       {.max_backward = MaxBackward::win_mask}));

  std::vector<EdgeOffset> next(got.col_offsets.begin(), got.col_offsets.end() - 1);
  bool every_edge = got.dst.size() == csr.cols.size();
  for (std::size_t row = 0; row + 1 < csr.row_offsets.size(); ++row) {
    for (EdgeOffset e = csr.row_offsets[row]; e < csr.row_offsets[row + 1]; ++e) {
      auto const at = static_cast<std::size_t>(e);
      auto const k = static_cast<std::size_t>(next[static_cast<std::size_t>(csr.cols[at])]++);
      every_edge = every_edge && got.positions[at] == static_cast<EdgeOffset>(k) &&
                   got.dst[k] == static_cast<NodeId>(row / 2) &&
                   got.relations[k] == static_cast<std::int32_t>(row % 2) &&
                   got.slots[k] == e - csr.row_offsets[row];
    }
  }
  CHECK(every_edge);
  CHECK(got.col_offsets.back() == std::ssize(csr.cols));
  next.insert(next.begin(), 0);
  CHECK(next == got.col_offsets);
}

TEST_CASE("DeviceCsr's order of rows is by power of two, longest first, then their own",
          "[ops][gpu]") {
  Device device;
  OwnedCsr const csr = large_csr();
  Contents const got(device, DeviceCsr(on_threads(device, 3), csr.view()));

  std::vector<NodeId> order(static_cast<std::size_t>(csr.n_dst));
  std::iota(order.begin(), order.end(), 0);
  auto const width = [&](NodeId i) {
    auto const row = static_cast<std::size_t>(i) * 2;
    auto const degree = csr.row_offsets[row + 2] - csr.row_offsets[row];
    return std::bit_width(static_cast<std::uint64_t>(degree) | 1);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](NodeId a, NodeId b) { return width(a) > width(b); });
  CHECK(got.row_order == order);
  CHECK(got.row_hubs == std::vector<std::int64_t>{csr.n_dst});  // row (n_dst / 2, 0) of two each
  CHECK(got.row_chunks == std::vector<std::int32_t>{0, 10});
  CHECK(std::ssize(got.message_hubs) > 80);
}

TEST_CASE("DeviceCsr refuses a csr that is not valid and options out of range",
          "[ops][relation_aggregate][gpu]") {
  Device device;
  OwnedCsr csr{.n_dst = 1, .relations = 1, .message_rows = 2};
  csr.add_row({0, 1});
  OwnedCsr outside = csr;
  outside.cols[1] = 2;

  CHECK_THROWS_AS(DeviceCsr(device.context(), outside.view()), IndexError);
  CHECK_THROWS_WITH(DeviceCsr(device.context(), csr.view(), {.hub_chunk = 0}),
                    Catch::Contains("both at least 1"));
}
