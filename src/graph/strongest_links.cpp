#include "strongest_links.hpp"

#include <algorithm>
#include <numeric>

#include <relweave/core/parallel.hpp>

namespace relweave::graph {

namespace {

constexpr std::int64_t items_per_task = 256;

struct Half {
  NodeId neighbor;
  std::size_t link;
};

/// Both directions of all links, by item. Links are sorted, so each item's neighbours ascend: those
/// below it come from links in which it is the upper end, and these come first.
struct Halves {
  std::vector<std::int64_t> offsets;  // (items + 1)
  std::vector<Half> halves;
};

Halves by_item(std::vector<Link> const& links, std::int64_t items) {
  Halves result{.offsets = std::vector<std::int64_t>(static_cast<std::size_t>(items) + 1, 0),
                .halves = std::vector<Half>(2 * links.size())};
  for (Link const& link : links) {
    ++result.offsets[static_cast<std::size_t>(link.lower) + 1];
    ++result.offsets[static_cast<std::size_t>(link.upper) + 1];
  }
  std::partial_sum(result.offsets.begin(), result.offsets.end(), result.offsets.begin());
  auto next = result.offsets;
  auto const add = [&](NodeId item, Half half) {
    result.halves[static_cast<std::size_t>(next[static_cast<std::size_t>(item)]++)] = half;
  };
  for (std::size_t k = 0; k < links.size(); ++k) {
    add(links[k].lower, {links[k].upper, k});
    add(links[k].upper, {links[k].lower, k});
  }
  return result;
}

}  // namespace

void keep_strongest(HostContext const& ctx, ItemTypes const& types, std::int32_t top,
                    std::vector<Link>& links) {
  std::int64_t const items = types.offsets.back();
  Halves all = by_item(links, items);
  // One flag per end, so that no two tasks write to one place.
  std::vector<std::uint8_t> lower_keeps(links.size(), 0);
  std::vector<std::uint8_t> upper_keeps(links.size(), 0);
  parallel_for_blocks(ctx, items, items_per_task, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      auto first = all.halves.begin() + all.offsets[i];
      auto const last = all.halves.begin() + all.offsets[i + 1];
      while (first != last) {
        auto const t = static_cast<std::size_t>(index(types.type_of(first->neighbor)));
        auto const type_end = std::partition_point(
            first, last, [&](Half const& h) { return h.neighbor < types.offsets[t + 1]; });
        auto const kept = first + std::min<std::ptrdiff_t>(top, type_end - first);
        std::partial_sort(first, kept, type_end, [&](Half const& a, Half const& b) {
          float const weight_a = links[a.link].weight;
          float const weight_b = links[b.link].weight;
          return weight_a != weight_b ? weight_a > weight_b : a.neighbor < b.neighbor;
        });
        for (; first != kept; ++first) {
          bool const is_lower = static_cast<NodeId>(i) < first->neighbor;
          (is_lower ? lower_keeps : upper_keeps)[first->link] = 1;
        }
        first = type_end;
      }
    }
  });
  std::size_t kept = 0;
  for (std::size_t k = 0; k < links.size(); ++k) {
    if (lower_keeps[k] != 0 || upper_keeps[k] != 0) {
      links[kept++] = links[k];
    }
  }
  links.resize(kept);
}

}  // namespace relweave::graph
