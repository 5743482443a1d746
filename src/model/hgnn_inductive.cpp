#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/model/hgnn.hpp>
#include <relweave/ops/gather_rows/gather_rows.hpp>

#include "id_map.hpp"
#include "input_checks.hpp"
#include "uploaded.hpp"

namespace relweave::model {

namespace {

constexpr std::string_view here = "Hgnn.embed_new";

/// The items that the vectors of new items depend on: items linked to them, and what those reach in
/// the layers left. Ascending.
std::vector<NodeId> surroundings(graph::ItemLinks const& links, VectorView<NodeId const> linked,
                                 std::int64_t item_count, std::int64_t hops) {
  std::vector<bool> inside(static_cast<std::size_t>(item_count), false);
  for (NodeId const item : linked) {
    inside[static_cast<std::size_t>(item)] = true;
  }
  for (std::int64_t hop = 0; hop < hops; ++hop) {
    auto reached = inside;
    for (std::int64_t k = 0; k < links.lower.size(); ++k) {
      auto const a = static_cast<std::size_t>(links.lower.view()[k]);
      auto const b = static_cast<std::size_t>(links.upper.view()[k]);
      if (inside[a] || inside[b]) {
        reached[a] = reached[b] = true;
      }
    }
    inside = std::move(reached);
  }
  std::vector<NodeId> items;
  for (std::int64_t i = 0; i < item_count; ++i) {
    if (inside[static_cast<std::size_t>(i)]) {
      items.push_back(static_cast<NodeId>(i));
    }
  }
  return items;
}

/// A small catalogue of known and new items: first the known items of a type, then its new ones.
struct Extended {
  graph::ItemTypes types;
  std::vector<NodeId> known;  // (known items) their id in the small catalogue
  std::vector<NodeId> fresh;  // (new items)

  Extended(graph::ItemTypes const& all, std::span<NodeId const> kept,
           VectorView<NodeTypeId const> new_types)
      : known(kept.size()), fresh(static_cast<std::size_t>(new_types.size)) {
    types.names = all.names;
    types.offsets.assign(1, 0);
    std::size_t k = 0;
    NodeId next = 0;
    for (std::size_t t = 0; t < all.names.size(); ++t) {
      for (; k < kept.size() && kept[k] < all.offsets[t + 1]; ++k) {
        known[k] = next++;
      }
      for (std::size_t j = 0; j < fresh.size(); ++j) {
        if (static_cast<std::size_t>(index(new_types.data[j])) == t) {
          fresh[j] = next++;
        }
      }
      types.offsets.push_back(next);
    }
  }
};

/// Links among the kept items and from the new ones, renumbered.
graph::ItemLinks extended_links(graph::ItemLinks const& links, NewItemLinks const& new_links,
                                std::span<NodeId const> kept, Extended const& extended) {
  IdMap position;
  position.clear(kept.size());
  for (std::size_t i = 0; i < kept.size(); ++i) {
    position.insert(kept[i]);
    position[kept[i]] = extended.known[i];
  }
  std::vector<std::pair<NodeId, NodeId>> pairs;
  auto const add = [&](NodeId a, NodeId b) { pairs.emplace_back(std::min(a, b), std::max(a, b)); };
  for (std::int64_t k = 0; k < links.lower.size(); ++k) {
    NodeId const a = links.lower.view()[k];
    NodeId const b = links.upper.view()[k];
    if (position.contains(a) && position.contains(b)) {
      add(position[a], position[b]);
    }
  }
  for (std::int64_t k = 0; k < new_links.item.size; ++k) {
    add(extended.fresh[static_cast<std::size_t>(new_links.new_item[k])],
        position[new_links.item[k]]);
  }
  std::sort(pairs.begin(), pairs.end());
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());

  auto const n = std::ssize(pairs);
  graph::ItemLinks result{.lower = Buffer<NodeId>(n),
                          .upper = Buffer<NodeId>(n),
                          .count = Buffer<std::int64_t>::filled(n, 1),
                          .weight = Buffer<float>::filled(n, 1.0F)};
  for (std::int64_t k = 0; k < n; ++k) {
    result.lower.view()[k] = pairs[static_cast<std::size_t>(k)].first;
    result.upper.view()[k] = pairs[static_cast<std::size_t>(k)].second;
  }
  return result;
}

}  // namespace

template <AnyContext C>
void Hgnn::embed_new(C const& ctx, graph::ItemTypes const& types, graph::ItemLinks const& links,
                     In<MatrixView<float const, space_of<C>>> features,
                     VectorView<NodeTypeId const> new_types,
                     In<MatrixView<float const, space_of<C>>> new_features,
                     NewItemLinks const& new_links, In<MatrixView<float, space_of<C>>> out) const {
  constexpr Space S = space_of<C>;
  if (!fitted()) {
    raise<ConfigError>(here, "model", "an HGNN without parameters", "a trained HGNN",
                       "Call fit first, or load a checkpoint.");
  }
  expect_links(here, types, links);
  expect_shape(here, "features", features, types.offsets.back(), feature_count_);
  expect_shape(here, "new_features", new_features, new_types.size, feature_count_);
  expect_features(here, "new_features", ctx, new_features);
  expect_shape(here, "out", out, new_types.size, out_features());
  expect_size(here, "new_links.item", new_links.item, new_links.new_item.size);
  expect_indices(here, "new_links.new_item", new_links.new_item, new_types.size);
  expect_indices(here, "new_links.item", new_links.item, types.offsets.back());
  for (NodeTypeId const type : new_types) {
    if (index(type) < 0 || index(type) >= std::ssize(types.names)) {
      raise<IndexError>(here, "new_types", std::to_string(index(type)),
                        "values in [0, " + std::to_string(types.names.size()) + ")");
    }
  }

  auto const kept = surroundings(links, new_links.item, types.offsets.back(),
                                 new_links.item.empty() ? 0 : std::ssize(config_.layers) - 1);
  Extended const extended(types, kept, new_types);
  graph::ItemLinks const joined = extended_links(links, new_links, kept, extended);
  std::int64_t const n = extended.types.offsets.back();

  [[maybe_unused]] auto const guard = make_current(ctx);
  WithWorkspace<S> const own(ctx);
  IndexList<S> kept_rows, known, fresh;
  kept_rows.set(ctx, view_of(kept), features.rows);
  known.set(ctx, view_of(extended.known), n);
  fresh.set(ctx, view_of(extended.fresh), n);
  Matrix<float, S> kept_features(std::ssize(kept), features.cols);
  Matrix<float, S> all_features(n, features.cols);
  ops::gather_rows<float>(own.ctx(), features, kept_rows.view(), kept_features.view());
  set_zero(ctx, all_features.view());
  ops::scatter_rows<float>(own.ctx(), kept_features.view(), known.list(), all_features.view());
  ops::scatter_rows<float>(own.ctx(), new_features, fresh.list(), all_features.view());
  Matrix<float, S> all(n, out_features());
  embed(own.ctx(), extended.types, joined, all_features.view(), all.view());
  ops::gather_rows<float>(own.ctx(), all.view(), fresh.view(), out);
  own.finish();
}

#define RELWEAVE_INSTANTIATE(C)                                                             \
  template void Hgnn::embed_new(C const&, graph::ItemTypes const&, graph::ItemLinks const&, \
                                MatrixView<float const, space_of<C>>,                       \
                                VectorView<NodeTypeId const>,                               \
                                MatrixView<float const, space_of<C>>, NewItemLinks const&,  \
                                MatrixView<float, space_of<C>>) const
RELWEAVE_INSTANTIATE(HostContext);
RELWEAVE_INSTANTIATE(CudaContext);

}  // namespace relweave::model
