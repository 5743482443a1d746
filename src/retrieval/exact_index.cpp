#include <relweave/retrieval/exact_index.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/ops/linear/linear.hpp>
#include <relweave/ops/top_k/top_k.hpp>

namespace relweave::retrieval {

namespace {

// A block of scores (256 queries x 42 panels of items) is 4 MB: it stays in the L2 and L3 caches
// between the product that writes it and the selection that reads it.
constexpr std::int64_t block_queries = 256;
constexpr std::int64_t block_panels = 42;

// Multiply-adds that are worth handing to another thread.
constexpr std::int64_t task_work = 1 << 18;

constexpr float nothing = -std::numeric_limits<float>::infinity();

// Products of two such numbers, and sums of 10,000 of these, stay inside the range of float.
constexpr float largest_component = 1e17F;

/// Room for `more` elements, at least doubled where it grows.
template <typename T>
void make_room(std::vector<T>& v, std::int64_t more) {
  std::size_t const size = v.size() + static_cast<std::size_t>(more);
  if (size > v.capacity()) {
    v.reserve(std::max(size, 2 * v.capacity()));
  }
}

void expect_finite(std::string_view function, std::string_view argument,
                   MatrixView<float const> m) {
  for (std::int64_t r = 0; r < m.rows; ++r) {
    for (float const x : m.row(r)) {
      if (!(std::abs(x) <= largest_component)) {
        raise<ConfigError>(function, argument, std::to_string(x) + " in row " + std::to_string(r),
                           "finite numbers of at most 1e17");
      }
    }
  }
}

}  // namespace

ExactIndex::ExactIndex(MatrixView<float const> vectors, VectorView<NodeTypeId const> types,
                       VectorView<float const> bias)
    : dimension_(vectors.cols) {
  add(vectors, types, bias);
}

void ExactIndex::add(MatrixView<float const> vectors, VectorView<NodeTypeId const> types,
                     VectorView<float const> bias) {
  constexpr std::string_view here = "ExactIndex.add";
  expect_shape(here, "vectors", vectors, vectors.rows, dimension_);
  if (vectors.rows > 0 && dimension_ == 0) {
    raise<ShapeError>(here, "vectors", "shape " + shape_string(vectors.rows, 0),
                      "vectors of at least one number");
  }
  expect_finite(here, "vectors", vectors);
  if (!types.empty() || !types_.empty()) {
    expect_size(here, "types", types, vectors.rows);
  }
  if (!bias.empty()) {
    expect_size(here, "bias", bias, vectors.rows);
    expect_finite(here, "bias", {bias.data, 1, bias.size});
  }
  if (size_ + vectors.rows > std::numeric_limits<NodeId>::max()) {
    raise<IndexError>(here, "vectors", std::to_string(size_ + vectors.rows) + " items",
                      "at most " + std::to_string(std::numeric_limits<NodeId>::max()));
  }
  std::int64_t const panels = (size_ + vectors.rows + panel_items - 1) / panel_items;
  make_room(types_, types.size);
  make_room(bias_, vectors.rows);
  panels_.resize(static_cast<std::size_t>(panels * panel_items * dimension_));  // the last to throw
  for (std::int64_t r = 0; r < vectors.rows; ++r) {
    std::int64_t const item = size_ + r;
    float* const column =
        panels_.data() + item / panel_items * panel_items * dimension_ + item % panel_items;
    for (std::int64_t f = 0; f < dimension_; ++f) {
      column[f * panel_items] = vectors(r, f);
    }
  }
  types_.insert(types_.end(), types.begin(), types.end());
  size_ += vectors.rows;
  if (bias.empty()) {
    bias_.resize(static_cast<std::size_t>(size_), 0.0F);
  } else {
    bias_.insert(bias_.end(), bias.begin(), bias.end());
  }
}

void ExactIndex::check_queries(std::string_view function, MatrixView<float const> queries) const {
  expect_shape(function, "queries", queries, queries.rows, dimension_);
  expect_finite(function, "queries", queries);
}

MatrixView<float const> ExactIndex::panel(std::int64_t number) const {
  return {panels_.data() + number * panel_items * dimension_, dimension_, panel_items};
}

void ExactIndex::copy_vectors(std::int64_t first, MatrixView<float> out) const {
  constexpr std::string_view here = "ExactIndex.copy_vectors";
  expect_shape(here, "out", out, out.rows, dimension_);
  if (first < 0 || first + out.rows > size_) {
    raise<IndexError>(here, "first",
                      std::to_string(first) + " and " + std::to_string(out.rows) + " rows",
                      "items in [0, " + std::to_string(size_) + ")");
  }
  for (std::int64_t r = 0; r < out.rows; ++r) {
    auto const from = panel((first + r) / panel_items);
    for (std::int64_t f = 0; f < dimension_; ++f) {
      out(r, f) = from(f, (first + r) % panel_items);
    }
  }
}

void ExactIndex::score_panels(HostContext const& ctx, MatrixView<float const> queries,
                              std::int64_t first, std::span<float const> bias,
                              MatrixView<float> out) const {
  std::int64_t const panels = (out.cols + panel_items - 1) / panel_items;
  std::int64_t const work = std::max<std::int64_t>(1, queries.rows * panel_items * dimension_);
  std::int64_t const grain = (task_work + work - 1) / work;
  parallel_for_blocks(ctx, panels, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      std::int64_t const item = p * panel_items;
      std::int64_t const items = std::min(panel_items, out.cols - item);
      auto const part = out.col_slice(item, items);
      ops::matmul<float>(ctx, queries, panel(first + p).col_slice(0, items), {}, part);
      float const* const add = bias.data() + first * panel_items + item;
      for (std::int64_t q = 0; q < part.rows; ++q) {
        float* const row = part.row_data(q);
        for (std::int64_t i = 0; i < items; ++i) {
          row[i] += add[i];
        }
      }
    }
  });
}

void ExactIndex::scores(HostContext const& ctx, MatrixView<float const> queries,
                        MatrixView<float> out) const {
  check_queries("ExactIndex.scores", queries);
  expect_shape("ExactIndex.scores", "out", out, queries.rows, size_);
  score_panels(ctx, queries, 0, bias_, out);
}

std::vector<float> ExactIndex::filtered_bias(SearchOptions const& options) const {
  std::vector<float> bias = bias_;
  if (!options.allowed_types.empty()) {
    for (std::size_t i = 0; i < bias.size(); ++i) {
      auto const type = types_.empty() ? NodeTypeId{0} : types_[i];
      if (std::find(options.allowed_types.begin(), options.allowed_types.end(), type) ==
          options.allowed_types.end()) {
        bias[i] = nothing;
      }
    }
  }
  if (!options.allowed_items.empty()) {
    std::vector<float> allowed(bias.size(), nothing);
    for (NodeId const item : options.allowed_items) {
      allowed[static_cast<std::size_t>(item)] = bias[static_cast<std::size_t>(item)];
    }
    bias = std::move(allowed);
  }
  return bias;
}

void ExactIndex::check_search(std::string_view function, std::int64_t queries, std::int64_t k,
                              SearchOptions const& options) const {
  if (k < 1) {
    raise<ConfigError>(function, "k", std::to_string(k), "at least 1");
  }
  if (!options.excluded_offsets.empty()) {
    auto const& offsets = options.excluded_offsets;
    expect_size(function, "excluded_offsets", offsets, queries + 1);
    if (offsets[0] != 0 || offsets[queries] != options.excluded_items.size ||
        !std::is_sorted(offsets.begin(), offsets.end())) {
      raise<ShapeError>(function, "excluded_offsets",
                        std::to_string(offsets[0]) + " to " + std::to_string(offsets[queries]),
                        "ascending offsets from 0 to the " +
                            std::to_string(options.excluded_items.size) + " excluded items");
    }
    expect_indices(function, "excluded_items", options.excluded_items, size_);
  }
  expect_indices(
      function, "allowed_items",
      VectorView<NodeId const>(options.allowed_items.data(), std::ssize(options.allowed_items)),
      size_);
}

void ExactIndex::search(HostContext const& ctx, MatrixView<float const> queries, std::int64_t k,
                        SearchOptions const& options, MatrixView<NodeId> indices,
                        MatrixView<float> scores) const {
  constexpr std::string_view here = "ExactIndex.search";
  check_search(here, queries.rows, k, options);
  check_queries(here, queries);
  expect_shape(here, "indices", indices, queries.rows, k);
  expect_shape(here, "scores", scores, queries.rows, k);
  bool const excludes = !options.excluded_offsets.empty();

  // What every query may see, as a bias: -infinity takes an item out.
  std::vector<float> filtered;
  if (!options.allowed_types.empty() || !options.allowed_items.empty()) {
    filtered = filtered_bias(options);
  }
  std::span<float const> const bias = filtered.empty() ? bias_ : filtered;

  std::int64_t const query_blocks = (queries.rows + block_queries - 1) / block_queries;
  // Threads share the blocks of queries; a single block shares the products inside it instead.
  parallel_for(ctx, query_blocks, [&](std::int64_t qb) {
    std::int64_t const q0 = qb * block_queries;
    std::int64_t const rows = std::min(block_queries, queries.rows - q0);
    HostContext own = ctx;
    if (query_blocks > 1) {
      own.workspace = nullptr;  // the thread's own
    }
    Workspace::Scope scratch(scratch_of(own));
    std::int64_t const block_items = block_panels * panel_items;
    auto const block = scratch.matrix<float>(rows, std::min(block_items, size_));
    std::vector<std::int64_t> next;  // per query: its first exclusion not yet passed
    std::vector<NodeId> excluded;
    std::vector<std::int64_t> excluded_offsets{0};
    if (excludes) {
      for (std::int64_t q = q0; q < q0 + rows; ++q) {
        auto const first = options.excluded_items.data + options.excluded_offsets[q];
        auto const last = options.excluded_items.data + options.excluded_offsets[q + 1];
        next.push_back(std::ssize(excluded));
        excluded.insert(excluded.end(), first, last);
        std::sort(excluded.begin() + next.back(), excluded.end());
        excluded_offsets.push_back(std::ssize(excluded));
      }
    }
    auto const out_indices = indices.row_slice(q0, rows);
    auto const out_scores = scores.row_slice(q0, rows);
    for (std::int64_t r = 0; r < rows; ++r) {
      std::fill_n(out_indices.row_data(r), k, NodeId{-1});
      std::fill_n(out_scores.row_data(r), k, nothing);
    }
    for (std::int64_t i0 = 0; i0 < size_; i0 += block_items) {
      std::int64_t const items = std::min(block_items, size_ - i0);
      auto const part = block.col_slice(0, items);
      score_panels(own, queries.row_slice(q0, rows), i0 / panel_items, bias, part);
      for (std::int64_t r = 0; excludes && r < rows; ++r) {
        float* const row = part.row_data(r);
        auto const u = static_cast<std::size_t>(r);
        auto& at = next[u];
        for (; at < excluded_offsets[u + 1] && excluded[static_cast<std::size_t>(at)] < i0 + items;
             ++at) {
          row[excluded[static_cast<std::size_t>(at)] - i0] = nothing;
        }
      }
      ops::top_k_merge<float>(own, part, static_cast<NodeId>(i0), out_indices, out_scores);
    }
  });
}

}  // namespace relweave::retrieval
