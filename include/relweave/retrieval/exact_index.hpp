#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::retrieval {

/// What a search leaves out. Empty fields leave out nothing.
struct SearchOptions {
  /// Per query q: the items excluded_items[excluded_offsets[q] .. excluded_offsets[q + 1]).
  VectorView<std::int64_t const> excluded_offsets;  // (queries + 1)
  VectorView<NodeId const> excluded_items;
  std::span<NodeTypeId const> allowed_types;  ///< only items of these types
  std::span<NodeId const> allowed_items;      ///< only these items
};

/// Exact maximum-inner-product search: score(query, item) = <query, vector of item> + bias of item.
/// Items are scored block by block: memory beyond the index is a block of scores, never queries x
/// items. Normalise the vectors first to rank by cosine.
/// Searching is const and thread-safe. The score of a query and an item depends, bit by bit, on
/// these two alone: not on the number of threads, of queries, or of items, nor on the call.
class RELWEAVE_API ExactIndex {
 public:
  /// Copies vectors (n, d). types (n) and bias (n) may be empty: one type, no bias.
  /// Throws ConfigError for vectors that are not finite.
  explicit ExactIndex(MatrixView<float const> vectors, VectorView<NodeTypeId const> types = {},
                      VectorView<float const> bias = {});

  /// Appends items, numbered from size() on, or changes nothing and throws.
  void add(MatrixView<float const> vectors, VectorView<NodeTypeId const> types = {},
           VectorView<float const> bias = {});

  /// The k best items per query, best first, ties to the lower item. Places without an item hold -1
  /// and -infinity: k may exceed what is left after the filters, or the catalogue.
  /// queries (q, d); indices and scores (q, k).
  void search(HostContext const& ctx, MatrixView<float const> queries, std::int64_t k,
              SearchOptions const& options, MatrixView<NodeId> indices,
              MatrixView<float> scores) const;

  /// Scores of all items, nothing left out: out (q, n).
  void scores(HostContext const& ctx, MatrixView<float const> queries, MatrixView<float> out) const;

  std::int64_t size() const { return size_; }
  std::int64_t dimension() const { return dimension_; }
  /// Copies the vectors of items [first, first + out.rows) to out (rows, dimension).
  void copy_vectors(std::int64_t first, MatrixView<float> out) const;

 private:
  friend class DeviceExactIndex;

  ExactIndex() = default;
  /// Items whose vectors lie together, as one (dimension, panel_items) matrix, so that a product
  /// reads them in the order of memory: a whole number of registers of any instruction set.
  static constexpr std::int64_t panel_items = 96;

  MatrixView<float const> panel(std::int64_t number) const;
  /// The bias of every item, -infinity for what the allow-lists leave out.
  std::vector<float> filtered_bias(SearchOptions const& options) const;
  /// Scores of the items of `panels`, with `bias` instead of the index's own; out (q, items).
  void score_panels(HostContext const& ctx, MatrixView<float const> queries, std::int64_t first,
                    std::span<float const> bias, MatrixView<float> out) const;
  void check_queries(std::string_view function, MatrixView<float const> queries) const;
  /// Throws unless k and the options fit the index and `queries` queries.
  void check_search(std::string_view function, std::int64_t queries, std::int64_t k,
                    SearchOptions const& options) const;

  std::int64_t size_ = 0;
  std::int64_t dimension_ = 0;
  std::vector<float> panels_;
  std::vector<NodeTypeId> types_;  // empty: all of one type
  std::vector<float> bias_;
};

}  // namespace relweave::retrieval
