#include <relweave/ops/gather_rows/device_indices.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include <relweave/core/error.hpp>

namespace relweave::ops {

namespace {

constexpr std::string_view here = "DeviceIndices.upload";
constexpr std::int32_t none = -1;

void check(VectorView<NodeId const> indices, std::int64_t rows,
           DeviceIndicesOptions const& options) {
  if (indices.size > std::numeric_limits<std::int32_t>::max()) {
    raise<ShapeError>(here, "indices", std::to_string(indices.size) + " elements",
                      "fewer than 2^31");
  }
  expect_indices(here, "indices", indices, rows);
  if (options.hub_size < 1 || options.hub_chunk < 1) {
    raise<ConfigError>(here, "options",
                       "hub_size " + std::to_string(options.hub_size) + ", hub_chunk " +
                           std::to_string(options.hub_chunk),
                       "both at least 1");
  }
}

/// Hubs before all others, then by power of two.
constexpr std::size_t classes = 33;
std::size_t class_of(std::int32_t size, DeviceIndicesOptions const& options) {
  return size > options.hub_size
             ? 0
             : static_cast<std::size_t>(std::countl_zero(static_cast<std::uint32_t>(size))) + 1;
}

}  // namespace

std::vector<DeviceIndices::List> DeviceIndices::find_lists(
    VectorView<NodeId const> indices, VectorView<std::int32_t> list_of_position) {
  std::vector<List> lists;
  lists.reserve(static_cast<std::size_t>(std::min(indices.size, rows_)));
  if (std::ssize(list_of_row_) < rows_) {
    list_of_row_.resize(static_cast<std::size_t>(rows_), none);
  }
  for (std::int64_t p = 0; p < indices.size; ++p) {
    std::int32_t& list = list_of_row_[static_cast<std::size_t>(indices[p])];
    if (list == none) {
      list = static_cast<std::int32_t>(lists.size());
      lists.push_back({indices[p], 0});
    }
    ++lists[static_cast<std::size_t>(list)].size;
    list_of_position[p] = list;
  }
  for (List const& list : lists) {
    list_of_row_[static_cast<std::size_t>(list.row)] = none;
  }
  return lists;
}

void DeviceIndices::upload(CudaContext const& ctx, VectorView<NodeId const> indices,
                           std::int64_t rows, DeviceIndicesOptions const& options) {
  expect_cuda(here, ctx);
  check(indices, rows, options);
  DeviceGuard const guard(ctx.device);
  rows_ = rows;
  indices_ = {};  // until all of it is there
  inverse_ = {};

  Buffer<std::int32_t> list_of_position(indices.size);
  std::vector<List> const lists = find_lists(indices, list_of_position.view());
  std::int64_t const n = std::ssize(lists);
  std::array<std::int32_t, classes + 1> first{};  // place of the first list of each class
  for (List const& list : lists) {
    ++first[class_of(list.size, options) + 1];
  }
  std::int64_t const hubs = first[1];
  std::partial_sum(first.begin(), first.end(), first.begin());

  // One block of memory, so that one copy takes it to the device.
  host_data_.reset(2 * indices.size + 2 * n + 1 + hubs + 1);
  data_.reset(host_data_.size());
  std::int64_t used = 0;
  auto const part = [&](std::int64_t size, VectorView<std::int32_t const, Space::device>& view) {
    view = data_.view().slice(used, size);
    return host_data_.view().slice(std::exchange(used, used + size), size);
  };
  DeviceInverse inverse;
  VectorView<NodeId const, Space::device> list;
  auto const own = part(indices.size, list);
  auto const list_rows = part(n, inverse.rows);
  auto const offsets = part(n + 1, inverse.offsets);
  auto const positions = part(indices.size, inverse.positions);
  auto const first_chunk = part(hubs + 1, inverse.first_chunk);

  std::copy(indices.begin(), indices.end(), own.begin());
  Buffer<std::int32_t> next(n);  // of each list: its place, then where its next position goes
  offsets[0] = 0;
  for (std::int64_t l = 0; l < n; ++l) {
    auto const& [row, size] = lists[static_cast<std::size_t>(l)];
    std::int32_t const place = first[class_of(size, options)]++;
    list_rows[place] = row;
    offsets[place + 1] = size;
    next.data()[l] = place;
  }
  inverse.hub_chunk = static_cast<std::int32_t>(
      std::min<std::int64_t>(options.hub_chunk, std::numeric_limits<std::int32_t>::max()));
  first_chunk[0] = 0;
  for (std::int64_t hub = 0; hub < hubs; ++hub) {
    first_chunk[hub + 1] = first_chunk[hub] + (offsets[hub + 1] - 1) / inverse.hub_chunk + 1;
  }
  inverse.chunks = first_chunk[hubs];
  std::partial_sum(offsets.begin(), offsets.end(), offsets.begin());
  for (std::int64_t l = 0; l < n; ++l) {
    next.data()[l] = offsets[next.data()[l]];
  }
  for (std::int64_t p = 0; p < indices.size; ++p) {
    positions[next.data()[list_of_position.data()[p]]++] = static_cast<std::int32_t>(p);
  }
  staged_.begin();
  staged_.send<std::int32_t>(ctx, host_data_.view(), data_.view());
  staged_.end(ctx);
  indices_ = list;
  inverse_ = inverse;
}

std::int64_t DeviceIndices::workspace(std::int64_t d) const {
  constexpr std::int64_t alignment = 256;
  std::int64_t const bytes = inverse_.chunks * d * static_cast<std::int64_t>(sizeof(float));
  return (bytes + alignment - 1) / alignment * alignment;
}

}  // namespace relweave::ops
