#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/model/hgnn.hpp>

#include "id_map.hpp"
#include "input_checks.hpp"

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
  Matrix<float> features;

  Extended(graph::ItemTypes const& all, std::span<NodeId const> kept,
           MatrixView<float const> kept_features, VectorView<NodeTypeId const> new_types,
           MatrixView<float const> new_features)
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
    features = Matrix<float>(next, new_features.cols);
    for (std::size_t i = 0; i < known.size(); ++i) {
      std::copy_n(kept_features.row_data(kept[i]), features.cols(),
                  features.view().row_data(known[i]));
    }
    for (std::size_t j = 0; j < fresh.size(); ++j) {
      std::copy_n(new_features.row_data(static_cast<std::int64_t>(j)), features.cols(),
                  features.view().row_data(fresh[j]));
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

void Hgnn::embed_new(HostContext const& ctx, graph::ItemTypes const& types,
                     graph::ItemLinks const& links, MatrixView<float const> features,
                     VectorView<NodeTypeId const> new_types, MatrixView<float const> new_features,
                     NewItemLinks const& new_links, MatrixView<float> out) const {
  if (!fitted()) {
    raise<ConfigError>(here, "model", "an HGNN without parameters", "a trained HGNN",
                       "Call fit first, or load a checkpoint.");
  }
  expect_links(here, types, links);
  expect_shape(here, "features", features, types.offsets.back(), feature_count_);
  expect_shape(here, "new_features", new_features, new_types.size, feature_count_);
  expect_features(here, "new_features", new_features);
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
  Extended const extended(types, kept, features, new_types, new_features);
  graph::ItemLinks const joined = extended_links(links, new_links, kept, extended);
  Matrix<float> all(extended.types.offsets.back(), out_features());
  embed(ctx, extended.types, joined, extended.features.view(), all.view());
  for (std::int64_t j = 0; j < out.rows; ++j) {
    std::copy_n(all.view().row_data(extended.fresh[static_cast<std::size_t>(j)]), out.cols,
                out.row_data(j));
  }
}

}  // namespace relweave::model
