// Operations on rows of tables: row_normalize, gather_rows, scatter_rows, segment_mean, pair_score.

#include <groups.hpp>

#include <relweave/ops/gather_rows/gather_rows.hpp>
#include <relweave/ops/pair_score/pair_score.hpp>
#include <relweave/ops/row_normalize/row_normalize.hpp>
#include <relweave/ops/segment_mean/segment_mean.hpp>

namespace relweave::bench {

namespace {

double real(std::int64_t n) {
  return static_cast<double>(n);
}

/// Sizes: rows.
template <typename T>
void row_normalize(Bench& bench, Sizes const& sizes, std::int64_t d) {
  auto const x = make_device_matrix<T>(bench, sizes.a, d, 2);
  auto const grad_out = make_device_matrix<T>(bench, sizes.a, d, 3);
  DeviceMatrix<T> out(sizes.a, d), grad_x(sizes.a, d);
  Buffer<float, Space::device> norms(sizes.a);
  Matrix<float> expected(sizes.a, d), expected_grad(sizes.a, d), expected_norms(1, sizes.a);
  double const bytes = real(sizes.a) * real(d) * size_of<T>;
  auto const forward = [&] {
    ops::row_normalize<T>(bench.context(), x.view(), out.view(), norms.view());
  };
  auto const on_host_forward = [&] {
    ops::row_normalize<float>({}, on_host(bench, x).view(), expected.view(),
                              as_vector(expected_norms));
    return Matrix<float>::copy_of(expected.view());
  };

  // x read from memory once, out and norms written
  bench.run<T>("row_normalize.forward", "relweave", {.bytes = 2 * bytes + 4 * real(sizes.a)},
               forward, out.view(), on_host_forward);
  forward();
  // out, grad_out and norms read, grad_x written
  bench.run<T>(
      "row_normalize.backward", "relweave", {.bytes = 3 * bytes + 4 * real(sizes.a)},
      [&] {
        ops::row_normalize_backward<T>(bench.context(), out.view(), norms.view(), grad_out.view(),
                                       grad_x.view());
      },
      grad_x.view(),
      [&] {
        on_host_forward();
        ops::row_normalize_backward<float>({}, expected.view(), as_vector(expected_norms),
                                           on_host(bench, grad_out).view(), expected_grad.view());
        return std::move(expected_grad);
      });
}

/// Sizes: rows of the table, indices.
template <typename T>
void gather_and_scatter(Bench& bench, Sizes const& sizes, std::int64_t d) {
  auto const list = make_indices(sizes.b, sizes.a, 5);
  auto const table = make_device_matrix<T>(bench, sizes.a, d, 2);
  auto const x = make_device_matrix<T>(bench, sizes.b, d, 3);
  auto sums = make_zeros<T>(bench, sizes.a, d);
  DeviceMatrix<T> out(sizes.b, d);
  ops::DeviceIndices const indices(bench.context(), as_vector(list), sizes.a);
  bench.reserve(indices.workspace(d));
  double const bytes = real(sizes.b) * real(d) * size_of<T>;
  double const named = real(indices.inverse().rows.size) * real(d) * size_of<T>;

  // rows read and written, the indices read
  bench.run<T>(
      "gather_rows", "relweave", {.edges = real(sizes.b), .bytes = 2 * bytes + 4 * real(sizes.b)},
      [&] { ops::gather_rows<T>(bench.context(), table.view(), indices.view(), out.view()); },
      out.view(),
      [&] {
        Matrix<float> expected(sizes.b, d);
        ops::gather_rows<float>({}, on_host(bench, table).view(), as_vector(list), expected.view());
        return expected;
      });
  // rows and their positions read, each named row of the table read and written
  bench.run<T>(
      "scatter_rows", "relweave",
      {.edges = real(sizes.b), .bytes = bytes + 2 * named + 4 * real(sizes.b)},
      [&] { ops::scatter_rows<T>(bench.context(), x.view(), indices, sums.view()); }, sums.view(),
      [&] {
        auto expected = Matrix<float>::zeros(sizes.a, d);
        ops::scatter_rows<float>({}, on_host(bench, x).view(), as_vector(list), expected.view());
        return expected;
      });
}

/// Sizes: rows of the table, segments, entries.
template <typename T>
void segment_mean(Bench& bench, Sizes const& sizes, std::int64_t d) {
  auto const list = make_indices(sizes.c, sizes.a, 6);
  std::vector<std::int64_t> offsets;
  for (std::int64_t s = 0; s <= sizes.b; ++s) {
    offsets.push_back(s * sizes.c / sizes.b);
  }
  ops::Segments<float> const host{.offsets = as_vector(offsets), .indices = as_vector(list)};
  ops::DeviceSegments const segments(bench.context(), host, sizes.a);
  bench.reserve(segments.workspace(d));
  auto const table = make_device_matrix<T>(bench, sizes.a, d, 2);
  auto const grad_out = make_device_matrix<T>(bench, sizes.b, d, 3);
  DeviceMatrix<T> out(sizes.b, d), grad_table(sizes.a, d);
  double const entries = real(sizes.c) * (real(d) * size_of<T> + 4);

  // each entry's row and index read, out written
  bench.run<T>(
      "segment_mean.forward", "relweave",
      {.edges = real(sizes.c), .bytes = entries + real(sizes.b) * (real(d) * size_of<T> + 8)},
      [&] { ops::segment_mean<T>(bench.context(), segments, table.view(), {}, out.view()); },
      out.view(),
      [&] {
        Matrix<float> expected(sizes.b, d);
        ops::segment_mean<float>({}, host, on_host(bench, table).view(), {}, expected.view());
        return expected;
      });
  // each entry's gradient, position and segment read, the table's gradient written
  bench.run<T>(
      "segment_mean.backward", "relweave",
      {.edges = real(sizes.c),
       .bytes = entries + 4 * real(sizes.c) + real(sizes.a) * (real(d) * size_of<T> + 8)},
      [&] {
        ops::segment_mean_backward<T>(bench.context(), segments, grad_out.view(), {},
                                      grad_table.view());
      },
      grad_table.view(),
      [&] {
        Matrix<float> expected(sizes.a, d);
        ops::segment_mean_backward<float>({}, host, on_host(bench, grad_out).view(), {},
                                          expected.view());
        return expected;
      });
}

/// Sizes: rows of both tables, pairs.
template <typename T>
void pair_score(Bench& bench, Sizes const& sizes, std::int64_t d) {
  auto const a_list = make_indices(sizes.b, sizes.a, 7), b_list = make_indices(sizes.b, sizes.a, 8);
  ops::DeviceIndices const a_rows(bench.context(), as_vector(a_list), sizes.a);
  ops::DeviceIndices const b_rows(bench.context(), as_vector(b_list), sizes.a);
  bench.reserve(std::max(a_rows.workspace(d), b_rows.workspace(d)));
  auto const a = make_device_matrix<T>(bench, sizes.a, d, 2);
  auto const b = make_device_matrix<T>(bench, sizes.a, d, 3);
  auto const grad_out = make_device_matrix<float>(bench, 1, sizes.b, 4);
  auto grad_a = make_zeros<T>(bench, sizes.a, d), grad_b = make_zeros<T>(bench, sizes.a, d);
  DeviceMatrix<float> out(1, sizes.b);
  double const rows = 2 * real(sizes.b) * real(d) * size_of<T>;
  double const named =
      real(a_rows.inverse().rows.size + b_rows.inverse().rows.size) * real(d) * size_of<T>;

  // both rows and their numbers read, the score written
  bench.run<float>(
      "pair_score.forward", "relweave",
      {.edges = real(sizes.b), .bytes = rows + 12 * real(sizes.b)},
      [&] {
        ops::pair_score<T>(bench.context(), a.view(), a_rows.view(), b.view(), b_rows.view(),
                           as_vector(out));
      },
      out.view(),
      [&] {
        Matrix<float> expected(1, sizes.b);
        ops::pair_score<float>({}, on_host(bench, a).view(), as_vector(a_list),
                               on_host(bench, b).view(), as_vector(b_list), as_vector(expected));
        return expected;
      });
  // for either table: the other's rows, positions, numbers and gradients read, each named row of
  // the gradient read and written
  bench.run<T>(
      "pair_score.backward", "relweave",
      {.edges = real(sizes.b), .bytes = rows + 2 * named + 24 * real(sizes.b)},
      [&] {
        ops::pair_score_backward<T>(bench.context(), a.view(), a_rows, b.view(), b_rows,
                                    as_vector(grad_out), grad_a.view(), grad_b.view());
      },
      grad_a.view(),
      [&] {
        auto expected = Matrix<float>::zeros(sizes.a, d), other = Matrix<float>::zeros(sizes.a, d);
        ops::pair_score_backward<float>(
            {}, on_host(bench, a).view(), as_vector(a_list), on_host(bench, b).view(),
            as_vector(b_list), as_vector(on_host(bench, grad_out)), expected.view(), other.view());
        return expected;
      });
}

#define RELWEAVE_BOTH_TYPES(f) .run_float = f<float>, .run_bfloat16 = f<bfloat16>

}  // namespace

std::vector<ArrayGroup> row_groups() {
  return {{.cases = {{"row_normalize.forward", "relweave"}, {"row_normalize.backward", "relweave"}},
           .sizes = {{"rows_1m", 1'000'000}},
           .checked = {"small", 41},
           .each_d = true,
           RELWEAVE_BOTH_TYPES(row_normalize)},
          {.cases = {{"gather_rows", "relweave"}, {"scatter_rows", "relweave"}},
           .sizes = {{"rows_1m_indices_4m", 1'000'000, 4'000'000}},
           .checked = {"small", 41, 150},
           .each_d = true,
           RELWEAVE_BOTH_TYPES(gather_and_scatter)},
          {.cases = {{"segment_mean.forward", "relweave"}, {"segment_mean.backward", "relweave"}},
           .sizes = {{"users_200k_events_6m", 100'000, 200'000, 6'000'000}},
           .checked = {"small", 41, 23, 300},
           .each_d = true,
           RELWEAVE_BOTH_TYPES(segment_mean)},
          {.cases = {{"pair_score.forward", "relweave"}, {"pair_score.backward", "relweave"}},
           .sizes = {{"rows_1m_pairs_4m", 1'000'000, 4'000'000}},
           .checked = {"small", 41, 150},
           .each_d = true,
           RELWEAVE_BOTH_TYPES(pair_score)}};
}

}  // namespace relweave::bench
