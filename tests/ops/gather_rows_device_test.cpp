#include <catch2/catch.hpp>

#include <cmath>
#include <utility>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/ops/gather_rows/gather_rows.hpp>
#include <relweave/ops/gather_rows/reference.hpp>

#include <support/device.hpp>
#include <support/gradient_check.hpp>
#include <support/random_graph.hpp>

using namespace relweave;
using namespace relweave::ops;
using namespace relweave::test;

namespace {

template <typename T>
Matrix<T> random_rows(std::int64_t rows, std::int64_t d, std::uint64_t seed) {
  return converted<T>(random_matrix<float>(rows, d, seed));
}

template <typename T>
Matrix<T> gathered(Device& device, Matrix<T> const& x, std::vector<NodeId> const& indices) {
  auto const from = device.upload<T>(x.view());
  auto const on_device = device.upload(view_of(indices));
  Matrix<T, Space::device> out(std::ssize(indices), x.cols());

  gather_rows<T>(device.context(), from.view(), on_device.view(), out.view());

  return device.download<T>(out.view());
}

/// Added to `before`.
template <typename T>
Matrix<T> scattered(Device& device, Matrix<T> const& x, std::vector<NodeId> const& indices,
                    Matrix<T> const& before, DeviceIndicesOptions const& options = {}) {
  auto const from = device.upload<T>(x.view());
  auto out = device.upload<T>(before.view());
  DeviceIndices const list(device.context(), view_of(indices), before.rows(), options);

  scatter_rows<T>(device.context(), from.view(), list, out.view());

  return device.download<T>(out.view());
}

template <typename T>
void check_scatter(Device& device, std::vector<NodeId> const& indices, std::int64_t rows,
                   std::int64_t d, DeviceIndicesOptions const& options = {}) {
  auto const x = random_rows<T>(std::ssize(indices), d, 60);
  auto const before = random_rows<T>(rows, d, 61);

  auto const got = scattered<T>(device, x, indices, before, options);

  auto expected = converted<float>(before);
  reference::scatter_rows<float>(converted<float>(x).view(), view_of(indices), expected.view());
  auto const length = static_cast<double>(indices.size()) / static_cast<double>(rows) + 20;
  CHECK(largest_difference(converted<float>(got), expected) <=
        rounding<T> + 4 * length * rounding<float>);
}

std::vector<std::int32_t> values_of(Device& device,
                                    VectorView<std::int32_t const, Space::device> view) {
  auto const values = device.download(view);
  return {values.data(), values.data() + values.size()};
}

}  // namespace

TEST_CASE("DeviceIndices lists the positions of each row, most named first",
          "[ops][gather_rows][gpu]") {
  using List = std::vector<std::int32_t>;
  Device device;
  std::vector<NodeId> const indices{4, 0, 2, 0, 5, 0, 2, 0, 0};

  DeviceIndices const list(device.context(), view_of(indices), 7, {.hub_size = 4, .hub_chunk = 2});

  auto const& inverse = list.inverse();
  CHECK((list.rows() == 7 && list.size() == 9));
  CHECK(values_of(device, list.view()) == indices);
  CHECK(values_of(device, inverse.rows) == List{0, 2, 4, 5});
  CHECK(values_of(device, inverse.offsets) == List{0, 5, 7, 8, 9});
  CHECK(values_of(device, inverse.positions) == List{1, 3, 5, 7, 8, 2, 6, 0, 4});
  CHECK(values_of(device, inverse.first_chunk) == List{0, 3});
  CHECK(inverse.chunks == 3);
  CHECK(list.workspace(64) == 3 * 64 * 4);
  CHECK(list.workspace(1) == 256);
}

TEST_CASE("DeviceIndices is replaced by longer, shorter and empty lists",
          "[ops][gather_rows][gpu]") {
  Device device;
  DeviceIndices list;
  auto const x = random_matrix<float>(400, 16, 62);
  auto const from = device.upload<float>(x.view());
  for (std::int64_t const count : {5, 400, 0, 37}) {
    auto const indices = random_indices(count, 10 + count, static_cast<std::uint64_t>(63 + count));
    auto expected = random_matrix<float>(10 + count, 16, 64);
    auto out = device.upload<float>(expected.view());

    list.upload(device.context(), view_of(indices), 10 + count);
    scatter_rows<float>(device.context(), from.view().row_slice(0, count), list, out.view());

    auto const first = x.view().row_slice(0, count);
    reference::scatter_rows<float>(first, view_of(indices), expected.view());
    CAPTURE(count);
    CHECK(largest_difference(device.download<float>(out.view()), expected) <= 64 * rounding<float>);
  }
}

TEMPLATE_TEST_CASE("gather_rows and scatter_rows on a device agree with their references",
                   "[ops][gather_rows][gpu]", float, bfloat16) {
  Device device;
  auto const d = GENERATE(1, 3, 16, 32, 37, 40, 64, 100, 128, 200, 256, 384);
  auto const count = GENERATE(1, 5, 400);
  auto const indices = random_indices(count, 60, 65);
  auto const table = random_rows<TestType>(60, d, 66);
  CAPTURE(d, count);

  auto const got = gathered<TestType>(device, table, indices);

  Matrix<float> expected(count, d);
  reference::gather_rows<float>(converted<float>(table).view(), view_of(indices), expected.view());
  CHECK(same_bits(got, converted<TestType>(expected)));
  check_scatter<TestType>(device, indices, 60, d);
}

TEMPLATE_TEST_CASE("scatter_rows on a device splits rows that many indices name",
                   "[ops][gather_rows][gpu]", float, bfloat16) {
  Device device;
  auto const d = GENERATE(16, 37, 128);
  auto const rows = GENERATE(1, 4, 50);
  auto const chunk = GENERATE(1, 31, 512);
  CAPTURE(d, rows, chunk);

  check_scatter<TestType>(device, random_indices(5000, rows, 67), rows, d,
                          {.hub_size = 100, .hub_chunk = chunk});
}

TEMPLATE_TEST_CASE("gather_rows and scatter_rows on a device take more rows than a grid has groups",
                   "[ops][gather_rows][gpu]", float, bfloat16) {
  Device device;
  auto const d = GENERATE(5, 16);
  auto const indices = random_indices(40'000, 30'000, 68);
  auto const table = random_rows<TestType>(30'000, d, 69);

  auto const got = gathered<TestType>(device, table, indices);

  Matrix<float> expected(40'000, d);
  reference::gather_rows<float>(converted<float>(table).view(), view_of(indices), expected.view());
  CHECK(same_bits(got, converted<TestType>(expected)));
  check_scatter<TestType>(device, indices, 30'000, d);
}

TEST_CASE("gather_rows and scatter_rows on a device take strided and unaligned rows",
          "[ops][gather_rows][gpu]") {
  Device device;
  auto const ctx = device.context();
  // Between rows of x and of the table: 4 floats keep them aligned.
  auto const [gap_x, gap_table] =
      GENERATE(std::pair{0, 1}, std::pair{3, 0}, std::pair{4, 4}, std::pair{4, 1});
  auto const indices = random_indices(300, 80, 70);
  auto const wide_x = random_matrix<float>(300, 32 + gap_x, 71);
  auto const wide_table = random_matrix<float>(80, 32 + gap_table, 72);
  auto x = device.upload<float>(wide_x.view());
  auto table = device.upload<float>(wide_table.view());
  DeviceIndices const list(ctx, view_of(indices), 80);

  scatter_rows<float>(ctx, x.view().col_slice(gap_x, 32), list,
                      table.view().col_slice(gap_table, 32));
  gather_rows<float>(ctx, table.view().col_slice(gap_table, 32), list.view(),
                     x.view().col_slice(0, 32));

  auto sums = Matrix<float>::copy_of(wide_table.view());
  reference::scatter_rows<float>(wide_x.view().col_slice(gap_x, 32), view_of(indices),
                                 sums.view().col_slice(gap_table, 32));
  auto const got_table = device.download<float>(table.view());
  CHECK(largest_difference(got_table, sums) <= 64 * rounding<float>);
  auto rows = Matrix<float>::copy_of(wide_x.view());
  reference::gather_rows<float>(got_table.view().col_slice(gap_table, 32), view_of(indices),
                                rows.view().col_slice(0, 32));
  CHECK(same_bits(device.download<float>(x.view()), rows));
}

TEST_CASE("scatter_rows on a device leaves rows without an index, and keeps NaN to its own row",
          "[ops][gather_rows][gpu]") {
  Device device;
  auto const d = GENERATE(16, 20);
  std::vector<NodeId> const indices{1, 3};
  auto x = random_matrix<float>(2, d, 73);
  x.view()(0, 2) = std::nanf("");
  auto before = random_matrix<float>(5, d, 74);
  before.view()(0, 1) = std::nanf("");
  before.view()(4, 0) = -0.0F;

  auto const got = scattered<float>(device, x, indices, before);

  for (std::int64_t const row : {0, 2, 4}) {
    CHECK(same_bits(Matrix<float>::copy_of(got.view().row_slice(row, 1)),
                    Matrix<float>::copy_of(before.view().row_slice(row, 1))));
  }
  CHECK(std::isnan(got.view()(1, 2)));
  CHECK(!std::isnan(got.view()(1, 1)));
  CHECK(!std::isnan(got.view()(3, 2)));
}

TEST_CASE("gather_rows and scatter_rows on a device: nothing to do", "[ops][gather_rows][gpu]") {
  Device device;
  auto const ctx = device.context();
  DeviceIndices const empty_list(ctx, {}, 6);
  DeviceIndices const nothing;
  auto const table = random_matrix<float>(6, 8, 75);
  auto on_device = device.upload<float>(table.view());
  Matrix<float, Space::device> none(0, 8), narrow(6, 0);

  gather_rows<float>(ctx, on_device.view(), empty_list.view(), none.view());
  scatter_rows<float>(ctx, none.view(), empty_list, on_device.view());
  scatter_rows<float>(ctx, none.view(), nothing, none.view());
  scatter_rows<float>(ctx, MatrixView<float, Space::device>(nullptr, 0, 0), empty_list,
                      narrow.view());

  CHECK(same_bits(device.download<float>(on_device.view()), table));
}

TEST_CASE("<gather(x), y> is <x, scatter(y)> on a device", "[ops][gather_rows][gpu]") {
  Device device;
  auto const indices = random_indices(500, 70, 76);
  auto const x = random_matrix<float>(70, 48, 77);
  auto const y = random_matrix<float>(500, 48, 78);

  auto const rows = gathered<float>(device, x, indices);
  auto const sums = scattered<float>(device, y, indices, Matrix<float>::zeros(70, 48));

  CHECK(inner_product<float>(rows.view(), y.view()) ==
        Approx(inner_product<float>(x.view(), sums.view())));
}

TEST_CASE("gather_rows and scatter_rows on a device refuse what does not fit",
          "[ops][gather_rows][gpu]") {
  Device device;
  auto const ctx = device.context();
  std::vector<NodeId> const indices{3, 1, 3};
  DeviceIndices const list(ctx, view_of(indices), 4, {.hub_size = 1});
  Matrix<float, Space::device> x(3, 16), wrong(2, 16), out(4, 16);
  auto no_stream = ctx;
  no_stream.stream = nullptr;
  auto no_workspace = ctx;
  no_workspace.workspace = nullptr;
  auto const upload = [&](std::vector<NodeId> const& values, DeviceIndicesOptions const& options) {
    DeviceIndices(ctx, view_of(values), 4, options);
  };

  CHECK_THROWS_AS(gather_rows<float>(no_stream, out.view(), list.view(), x.view()), DeviceError);
  CHECK_THROWS_AS(scatter_rows<float>(no_stream, x.view(), list, out.view()), DeviceError);
  CHECK_THROWS_WITH(gather_rows<float>(ctx, out.view(), list.view(), wrong.view()),
                    "gather_rows: out: got shape (2, 16), expected shape (3, 16)");
  CHECK_THROWS_WITH(scatter_rows<float>(ctx, wrong.view(), list, out.view()),
                    "scatter_rows: x: got shape (2, 16), expected shape (3, 16)");
  CHECK_THROWS_WITH(scatter_rows<float>(ctx, x.view(), list, x.view()),
                    Catch::Contains("indices: got indices of a table of 4 rows, expected of one "
                                    "of 3 rows"));
  CHECK_THROWS_WITH(scatter_rows<float>(no_workspace, x.view(), list, out.view()),
                    Catch::Contains("workspace: got 0 bytes, expected at least 256 bytes"));
  CHECK_THROWS_WITH(upload({0, 4}, {}),
                    "DeviceIndices.upload: indices: got 4 at position 1, expected values in [0, "
                    "4)");
  CHECK_THROWS_AS(upload({0, -1}, {}), IndexError);
  CHECK_THROWS_WITH(upload({0}, {.hub_chunk = 0}), Catch::Contains("both at least 1"));
  CHECK_THROWS_AS(upload({0}, {.hub_size = 0}), ConfigError);
}

TEMPLATE_TEST_CASE("scatter_rows on a device gives the same bits again", "[ops][gather_rows][gpu]",
                   float, bfloat16) {
  Device device;
  auto const d = GENERATE(64, 100);
  auto const rows = GENERATE(3, 90);
  auto const indices = random_indices(6000, rows, 79);
  auto const x = random_rows<TestType>(6000, d, 80);
  auto const before = random_rows<TestType>(rows, d, 81);

  auto const first = scattered<TestType>(device, x, indices, before);
  auto const second = scattered<TestType>(device, x, indices, before);

  CHECK(same_bits(first, second));
}
