#include <catch2/catch.hpp>

#include <cstdint>
#include <type_traits>
#include <utility>

#include <relweave/core/buffer.hpp>
#include <relweave/core/error.hpp>
#include <relweave/core/workspace.hpp>

using namespace relweave;

static_assert(std::is_trivially_copyable_v<MatrixView<float>>);
static_assert(!std::is_copy_constructible_v<Buffer<float>>);
static_assert(std::is_convertible_v<MatrixView<float>, MatrixView<float const>>);
static_assert(!std::is_convertible_v<MatrixView<float const>, MatrixView<float>>);
static_assert(!std::is_convertible_v<VectorView<float, Space::device>, VectorView<float>>);

TEST_CASE("a moved-from buffer is empty and the target owns the data", "[core][buffer]") {
  auto a = Buffer<int>::filled(3, 7);
  int const* const data = a.data();

  Buffer<int> const b = std::move(a);

  CHECK(b.data() == data);
  CHECK(b.size() == 3);
  CHECK(a.size() == 0);  // NOLINT(bugprone-use-after-move): the state is documented
}

TEST_CASE("buffers are aligned, and reset allocates only to grow", "[core][buffer]") {
  Buffer<float> b(10);
  float const* const data = b.data();

  b.reset(4);

  CHECK(reinterpret_cast<std::uintptr_t>(data) % host_alignment == 0);
  CHECK(b.data() == data);
  CHECK(b.size() == 4);
}

TEST_CASE("matrix views slice rows and columns with 64-bit strides", "[core][views]") {
  auto m = Matrix<double>::from_rows({{1, 2, 3}, {4, 5, 6}, {7, 8, 9}});

  auto const inner = m.view().row_slice(1, 2).col_slice(1, 2);

  CHECK(inner(0, 0) == 5);
  CHECK(inner(1, 1) == 9);
  CHECK_FALSE(inner.contiguous());
  CHECK(m.view().contiguous());
}

TEST_CASE("a workspace reuses its memory after the first round", "[core][workspace]") {
  Workspace workspace;
  auto const round = [&] {
    Workspace::Scope outer(workspace);
    auto const a = outer.vector<float>(300'000);
    {
      Workspace::Scope inner(workspace);
      auto const b = inner.matrix<double>(1000, 400);
      CHECK(static_cast<void*>(b.data) != static_cast<void*>(a.data));
      b(999, 399) = 1;
    }
    auto const c = outer.vector<int>(5);
    c[4] = 2;
    return c.data;
  };

  round();
  auto const held = workspace.capacity();
  auto const* const first = round();
  auto const* const second = round();

  CHECK(workspace.capacity() == held);
  CHECK(first == second);
}

TEST_CASE("errors name function, argument, got, expected and remedy", "[core][error]") {
  CHECK(describe("linear", "weight", "shape (2, 3)", "shape (4, 3)", "Transpose it.") ==
        "linear: weight: got shape (2, 3), expected shape (4, 3). Transpose it.");
  Matrix<float> const m(2, 3);
  CHECK_THROWS_AS(expect_shape("f", "x", m.view(), 3, 3), ShapeError);
  auto const ids = Buffer<int>::filled(2, 5);
  CHECK_THROWS_AS(expect_indices("f", "ids", ids.view(), 5), IndexError);
}

TEST_CASE("buffers of any size are aligned and their own", "[core][buffer]") {
  std::int64_t const mebibyte = 1 << 20;
  std::int64_t const size =
      GENERATE_COPY(1, mebibyte, 4 * mebibyte - 1, 4 * mebibyte, 9 * mebibyte);

  Buffer<std::byte> a(size);
  Buffer<std::byte> b = Buffer<std::byte>::filled(size, std::byte{1});
  std::fill_n(a.data(), size, std::byte{2});
  a.reset(size + 5 * mebibyte);  // from small pages to large ones

  CHECK(reinterpret_cast<std::uintptr_t>(a.data()) % host_alignment == 0);
  CHECK(reinterpret_cast<std::uintptr_t>(b.data()) % host_alignment == 0);
  CHECK(std::all_of(b.data(), b.data() + size, [](std::byte x) { return x == std::byte{1}; }));
}
