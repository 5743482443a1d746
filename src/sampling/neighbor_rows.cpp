// Drawing the neighbours of destinations: a count of every row, then its edges, both in parallel.
#include <algorithm>
#include <array>
#include <bit>
#include <iterator>
#include <utility>

#include <relweave/core/parallel.hpp>
#include <relweave/core/random.hpp>
#include <relweave/core/random_words.hpp>
#include <relweave/core/simd.hpp>
#include <relweave/sampling/neighbor.hpp>

#include "draw_rows.hpp"

namespace relweave::sampling {

namespace {

constexpr std::int64_t nodes_per_task = 256;

// Nodes lie anywhere in the graph: their offsets are fetched this many nodes ahead.
constexpr std::int64_t nodes_ahead = 16;

// Up to this many candidates the drawn set is a bit mask, without a branch that depends on the
// draw: samples of 2.4 M edges at a fanout of 10 took 42 ms in place of 69 ms by sorted insertion.
constexpr std::int64_t mask_words = 32;

/// `count` different elements of `from` in their order, count < from.size(): Floyd's algorithm,
/// which takes the highest number so far in place of one already drawn.
template <typename Next>
void choose(Next& next, std::span<NodeId const> from, std::int64_t count, NodeId* out) {
  auto const first = static_cast<std::uint32_t>(std::ssize(from) - count);
  auto const end = static_cast<std::uint32_t>(from.size());
  if (end <= 64 * mask_words) {
    std::uint64_t mask[mask_words];
    std::int64_t const words = (std::ssize(from) + 63) / 64;
    std::fill_n(mask, words, std::uint64_t{0});
    for (std::uint32_t last = first; last < end; ++last) {
      std::uint32_t const pick = random_below(next, last + 1);
      auto const taken = static_cast<std::uint32_t>(mask[pick / 64] >> (pick % 64)) & 1;
      std::uint32_t const number = pick + taken * (last - pick);
      mask[number / 64] |= std::uint64_t{1} << (number % 64);
    }
    for (std::int64_t w = 0; w < words; ++w) {
      for (std::uint64_t rest = mask[w]; rest != 0; rest &= rest - 1) {
        *out++ = from[static_cast<std::size_t>(64 * w + std::countr_zero(rest))];
      }
    }
    return;
  }
  NodeId* const positions = out;
  for (std::uint32_t last = first; last < end; ++last, ++out) {
    auto const pick = static_cast<NodeId>(random_below(next, last + 1));
    NodeId* const place = std::lower_bound(positions, out, pick);
    if (place != out && *place == pick) {
      *out = static_cast<NodeId>(last);
    } else {
      std::copy_backward(place, out, out + 1);
      *place = pick;
    }
  }
  std::transform(positions, out, positions,
                 [&](NodeId position) { return from[static_cast<std::size_t>(position)]; });
}

template <typename Next>
void choose_with_replacement(Next& next, std::span<NodeId const> from, std::int64_t count,
                             NodeId* out) {
  std::generate_n(out, count, [&] {
    return static_cast<NodeId>(random_below(next, static_cast<std::uint32_t>(from.size())));
  });
  std::sort(out, out + count);
  std::transform(out, out + count, out,
                 [&](NodeId position) { return from[static_cast<std::size_t>(position)]; });
}

/// Draws rows, several at a time: their random numbers, and short rows, come cheaper together. A
/// row is what the numbers of RandomStream(seed, neighbor_sampling, index) make of it, whatever the
/// others.
class RowDrawer {
 public:
  RowDrawer(HostContext const& ctx, std::uint64_t seed, bool replace)
      : ctx_(ctx), seed_(seed), replace_(replace) {}

  /// `count` of the candidates `from`, which stay where they are until flush().
  void add(std::uint64_t index, std::span<NodeId const> from, std::int64_t count, NodeId* to) {
    simd::prefetch(from.data(), std::min(static_cast<std::int64_t>(from.size_bytes()), fetched));
    indices_[size_] = index;
    from_[size_] = from.data();
    sizes_[size_] = static_cast<std::uint32_t>(from.size());
    counts_[size_] = static_cast<std::uint32_t>(count);
    to_[size_] = to;
    if (++size_ == batch) {
      flush();
    }
  }

  void flush() {
    auto const rows = static_cast<std::int64_t>(size_);
    std::uint32_t const most =
        size_ == 0 ? 0 : *std::max_element(counts_.data(), counts_.data() + size_);
    std::uint32_t const blocks = std::min((most + 3) / 4, most_blocks);
    random_words(ctx_, seed_, Purpose::neighbor_sampling, {indices_.data(), rows},
                 {words_.data(), 4 * std::int64_t{blocks}, rows});
    std::array<bool, batch> drawn{};
    if (!replace_) {
      RowsToDraw const arguments{.rows = rows,
                                 .from = from_.data(),
                                 .sizes = sizes_.data(),
                                 .counts = counts_.data(),
                                 .to = to_.data(),
                                 .words = words_.data(),
                                 .word_count = 4 * blocks,
                                 .drawn = drawn.data()};
      with_isa(ctx_, [&]<Isa isa>() { draw_rows<isa>(arguments); });
    }
    for (std::size_t k = 0; k < size_; ++k) {
      if (!drawn[k]) {
        draw(k, blocks);
      }
    }
    size_ = 0;
  }

 private:
  static constexpr std::size_t batch = 32;
  static constexpr std::uint32_t most_blocks = 8;  // a longer row makes the rest of its own
  static constexpr std::int64_t fetched = 256;     // bytes of the candidates

  void draw(std::size_t k, std::uint32_t blocks) const {
    RandomStream rest(seed_, Purpose::neighbor_sampling, indices_[k], blocks);
    std::uint32_t const* word = words_.data() + k;
    auto next = [&, left = 4 * blocks]() mutable {
      if (left == 0) {
        return rest.next();
      }
      --left;
      return *std::exchange(word, word + size_);
    };
    std::span const from(from_[k], sizes_[k]);
    if (replace_) {
      choose_with_replacement(next, from, counts_[k], to_[k]);
    } else {
      choose(next, from, counts_[k], to_[k]);
    }
  }

  HostContext const& ctx_;
  std::uint64_t seed_;
  bool replace_;
  std::size_t size_ = 0;
  std::array<std::uint64_t, batch> indices_;
  std::array<NodeId const*, batch> from_;
  std::array<std::uint32_t, batch> sizes_;
  std::array<std::uint32_t, batch> counts_;
  std::array<NodeId*, batch> to_;
  std::array<std::uint32_t, 4 * most_blocks * batch> words_;
};

/// The neighbours of a node in one relation, a row of the block.
struct Candidates {
  NodeId node;
  std::int64_t row;
  RelationBlock const& relation;
  std::span<NodeId const> from;
  bool own;  // `from` changes with the next node: some neighbours are excluded
};

}  // namespace

/// Calls fn(candidates) for each relation of the destinations [begin, end) of a type.
template <typename Fn>
void NeighborSampler::each_row(Draw const& draw, std::size_t type, std::span<NodeId const> nodes,
                               std::int64_t begin, std::int64_t end, Fn const& fn) const {
  auto const& destination = graph_.block().destinations[type];
  EdgeOffset const* const row_offsets = destination.csr.row_offsets.data;
  NodeId const* const cols = destination.csr.cols.data;
  std::int64_t const r_count = destination.csr.relations;
  thread_local std::vector<NodeId> allowed;  // keeps its room for the next task
  for (std::int64_t k = begin; k < end; ++k) {
    NodeId const node = nodes[static_cast<std::size_t>(k)];
    if (k + nodes_ahead < std::ssize(nodes)) {
      EdgeOffset const* const ahead =
          row_offsets + nodes[static_cast<std::size_t>(k + nodes_ahead)] * r_count;
      simd::prefetch(ahead, 64);
      simd::prefetch(ahead + r_count, 64);
    }
    auto const global = static_cast<NodeId>(type_offsets_[type] + node);
    bool const dropped = draw.node_drop > 0 && RandomStream(draw.drop_seed, Purpose::node_dropout,
                                                            static_cast<std::uint64_t>(global))
                                                       .uniform_float() < draw.node_drop;
    auto const first =
        std::lower_bound(excluded_.begin(), excluded_.end(), std::pair(global, NodeId{0}));
    auto last = first;
    while (last != excluded_.end() && last->first == global) {
      ++last;
    }
    EdgeOffset const* const offsets = row_offsets + node * r_count;
    for (std::int64_t r = 0; r < r_count; ++r) {
      RelationBlock const& relation = destination.relations[static_cast<std::size_t>(r)];
      Candidates candidates{
          .node = node,
          .row = k * r_count + r,
          .relation = relation,
          .from = {cols + offsets[r], dropped ? cols + offsets[r] : cols + offsets[r + 1]},
          .own = false};
      if (first != last && !candidates.from.empty()) {
        std::int64_t const to_global =
            type_offsets_[static_cast<std::size_t>(index(relation.source))] - relation.message_base;
        allowed.clear();
        std::copy_if(candidates.from.begin(), candidates.from.end(), std::back_inserter(allowed),
                     [&](NodeId col) {
                       return !std::binary_search(
                           first, last, std::pair(global, static_cast<NodeId>(col + to_global)));
                     });
        candidates.from = allowed;
        candidates.own = true;
      }
      fn(candidates);
    }
  }
}

void NeighborSampler::sample_rows(HostContext const& ctx, Draw const& draw,
                                  SampledBlocks::Layer& layer) const {
  layer.node_parts.clear();
  for (std::size_t t = 0; t < layer.destinations.size(); ++t) {
    std::int64_t const n = layer.n_dst[t];
    auto& offsets = layer.destinations[t].row_offsets;
    offsets.reset(n * graph_.block().destinations[t].csr.relations + 1);
    offsets.data()[0] = 0;
    SampledBlocks::append_parts(t, n, nodes_per_task, layer.node_parts);
  }
  auto const each_part = [&](auto const& fn) {
    parallel_for(ctx, std::ssize(layer.node_parts), [&](std::int64_t k) {
      auto const& part = layer.node_parts[static_cast<std::size_t>(k)];
      fn(part, layer.sources[part.type], layer.destinations[part.type]);
    });
  };

  // Where rows end, counted from the first edge of their part.
  each_part([&](SampledBlocks::Part const& part, std::span<NodeId const> nodes,
                SampledBlocks::Destination& out) {
    EdgeOffset* const ends = out.row_offsets.data() + 1;
    EdgeOffset end = 0;
    each_row(draw, part.type, nodes, part.begin, part.end, [&](Candidates const& candidates) {
      std::int64_t const fanout =
          draw.fanouts[static_cast<std::size_t>(index(candidates.relation.relation))];
      end += replace_ && !candidates.from.empty() ? fanout
                                                  : std::min(std::ssize(candidates.from), fanout);
      ends[candidates.row] = end;
    });
  });
  for (std::size_t k = 0, t = 0; t < layer.destinations.size(); ++t) {
    SampledBlocks::Destination& out = layer.destinations[t];
    auto const relations = std::ssize(graph_.block().destinations[t].relations);
    EdgeOffset edges = 0;
    for (; k < layer.node_parts.size() && layer.node_parts[k].type == t; ++k) {
      SampledBlocks::Part& part = layer.node_parts[k];
      part.first_edge = edges;
      edges += out.row_offsets.data()[part.end * relations];
    }
    out.cols.reset(edges);
  }
  each_part([&](SampledBlocks::Part const& part, std::span<NodeId const> nodes,
                SampledBlocks::Destination& out) {
    EdgeOffset* const ends = out.row_offsets.data() + 1;
    EdgeOffset at = part.first_edge;
    RowDrawer drawer(ctx, draw.layer_seed, replace_);
    each_row(draw, part.type, nodes, part.begin, part.end, [&](Candidates const& candidates) {
      EdgeOffset const begin = at;
      at = ends[candidates.row] + part.first_edge;
      ends[candidates.row] = at;
      std::int64_t const count = at - begin;
      if (count == std::ssize(candidates.from) && !replace_) {
        std::copy(candidates.from.begin(), candidates.from.end(), out.cols.data() + begin);
      } else if (count > 0) {
        auto const relation = static_cast<std::uint64_t>(index(candidates.relation.relation));
        drawer.add((relation << 32) | static_cast<std::uint64_t>(candidates.node), candidates.from,
                   count, out.cols.data() + begin);
        if (candidates.own) {
          drawer.flush();
        }
      }
    });
    drawer.flush();
  });
}

}  // namespace relweave::sampling
