#include "link_store.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <string>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>

namespace relweave::graph {

namespace {

constexpr std::int64_t link_bytes = sizeof(Link);

}  // namespace

void LinkStore::add(std::span<Link const> links) {
  auto const range_of = [&](Link const& link) {
    auto const after = std::upper_bound(bounds_.begin(), bounds_.end(), link.lower);
    return static_cast<std::size_t>(after - bounds_.begin() - 1);
  };
  Chunk chunk{.begins = std::vector<std::int64_t>(bounds_.size(), 0),
              .links = Pages<Link>(std::ssize(links)),
              .file_at = 0};
  for (Link const& link : links) {
    ++chunk.begins[range_of(link)];
  }
  std::partial_sum(chunk.begins.begin(), chunk.begins.end(), chunk.begins.begin());
  for (Link const& link : links) {  // ends move to beginnings
    chunk.links[--chunk.begins[range_of(link)]] = link;
  }
  if (file_ != nullptr) {
    chunk.file_at = file_->append(std::as_bytes(chunk.links.span()));
    chunk.links = {};
  }
  std::scoped_lock const lock(mutex_);
  chunks_.push_back(std::move(chunk));
}

std::int64_t LinkStore::in_range(std::size_t range) const {
  return std::accumulate(chunks_.begin(), chunks_.end(), std::int64_t{0},
                         [&](std::int64_t sum, Chunk const& chunk) {
                           return sum + chunk.begins[range + 1] - chunk.begins[range];
                         });
}

void LinkStore::load(std::size_t range, std::span<Link> links) const {
  for (Chunk const& chunk : chunks_) {
    std::int64_t const begin = chunk.begins[range];
    auto const n =
        std::min(links.size(), static_cast<std::size_t>(chunk.begins[range + 1] - begin));
    if (file_ == nullptr) {
      std::copy_n(chunk.links.data() + begin, n, links.data());
    } else {
      file_->read(chunk.file_at + begin * link_bytes, std::as_writable_bytes(links.first(n)));
    }
    links = links.subspan(n);
  }
}

void LinkStore::store(std::size_t range, std::span<Link const> links) {
  for (Chunk& chunk : chunks_) {
    std::int64_t const begin = chunk.begins[range];
    auto const n =
        std::min(links.size(), static_cast<std::size_t>(chunk.begins[range + 1] - begin));
    if (file_ == nullptr) {
      std::copy_n(links.data(), n, chunk.links.data() + begin);
    } else {
      file_->write(chunk.file_at + begin * link_bytes, std::as_bytes(links.first(n)));
    }
    links = links.subspan(n);
  }
}

std::int64_t LinkStore::sort(std::size_t range) {
  Pages<Link> links(in_range(range));
  auto const all = links.span();
  load(range, all);
  auto const ends = [](Link const& link) { return std::pair(link.lower, link.upper); };
  std::sort(all.begin(), all.end(),
            [&](Link const& a, Link const& b) { return ends(a) < ends(b); });
  auto const last = std::unique(all.begin(), all.end(), [&](Link const& a, Link const& b) {
    return ends(a) == ends(b);  // both ends keep it
  });
  auto const kept = all.first(static_cast<std::size_t>(last - all.begin()));
  store(range, kept);
  return std::ssize(kept);
}

ItemLinks LinkStore::join(HostContext const& ctx, ItemTypes const& types, MemoryPlan const& plan,
                          CoInteractionReport& report, StageProgress& progress) {
  std::int64_t const ranges = std::ssize(bounds_) - 1;
  std::int64_t all = 0;
  std::int64_t largest = 0;
  for (std::int64_t range = 0; range < ranges; ++range) {
    std::int64_t const n = in_range(static_cast<std::size_t>(range));
    all += n;
    largest = std::max(largest, n * link_bytes);
  }
  std::int64_t const held = file_ == nullptr ? all * link_bytes : 0;
  std::int64_t const loaded = file_ == nullptr ? 0 : largest;  // beside the result, per thread
  auto const expect_room = [&](std::int64_t needed, std::int64_t enough) {
    report.planned_bytes = std::max(report.planned_bytes, plan.fixed_bytes + needed);
    if (plan.limit > 0 && plan.fixed_bytes + needed > plan.limit) {
      raise<ConfigError>("CoInteractionConfig", "memory_limit",
                         std::to_string(plan.limit) + " bytes",
                         "at least " + std::to_string(plan.fixed_bytes + enough) +
                             " for these links, or 0 for no limit",
                         "Fewer remain with a lower top_neighbors or a higher min_count.");
    }
  };
  auto const with_room_for = [&](std::int64_t bytes, std::int64_t beside) {
    HostContext limited = ctx;
    limited.threads = plan.threads_for(bytes, beside);
    return limited;
  };

  progress.begin_phase(2 * ranges);
  expect_room(held + largest, held + largest + all * result_bytes_per_link);
  std::vector<std::int64_t> begins(static_cast<std::size_t>(ranges) + 1, 0);
  parallel_for(with_room_for(largest, held), ranges, [&](std::int64_t range) {
    auto const r = static_cast<std::size_t>(range);
    begins[r + 1] = sort(r);
    progress.step();
  });
  std::partial_sum(begins.begin(), begins.end(), begins.begin());

  std::int64_t const n = begins.back();
  std::int64_t const room = held + n * result_bytes_per_link;
  expect_room(room + loaded, room + loaded);
  ItemLinks result{.lower = Buffer<NodeId>(n),
                   .upper = Buffer<NodeId>(n),
                   .count = Buffer<std::int64_t>(n),
                   .weight = Buffer<float>(n)};
  std::size_t const type_count = types.names.size();
  std::vector<std::vector<std::int64_t>> per_type_pair(static_cast<std::size_t>(ranges));
  parallel_for(with_room_for(largest, room), ranges, [&](std::int64_t range) {
    auto const r = static_cast<std::size_t>(range);
    Pages<Link> links(begins[r + 1] - begins[r]);
    load(r, links.span());
    auto& counts = per_type_pair[r];
    counts.assign(type_count * type_count, 0);
    for (std::int64_t k = 0; k < links.size(); ++k) {
      Link const& link = links[k];
      result.lower.view()[begins[r] + k] = link.lower;
      result.upper.view()[begins[r] + k] = link.upper;
      result.count.view()[begins[r] + k] = link.count;
      result.weight.view()[begins[r] + k] = link.weight;
      auto const a = static_cast<std::size_t>(index(types.type_of(link.lower)));
      auto const b = static_cast<std::size_t>(index(types.type_of(link.upper)));
      ++counts[a * type_count + b];
    }
    progress.step();
  });
  report.links = n;
  report.links_per_type_pair.assign(type_count * type_count, 0);
  for (auto const& counts : per_type_pair) {
    std::transform(counts.begin(), counts.end(), report.links_per_type_pair.begin(),
                   report.links_per_type_pair.begin(), std::plus<>());
  }
  return result;
}

}  // namespace relweave::graph
