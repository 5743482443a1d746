#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include <relweave/sampling/links.hpp>

#include <measure.hpp>
#include <workloads.hpp>

using namespace relweave;

namespace {

constexpr std::int64_t links = 1'000'000;
constexpr std::int32_t relations = 21;

/// An epoch runs on one thread. Relations are as unequal as those of an item graph of six types.
void epoch(benchmark::State& state) {
  RandomStream random(1, Purpose::synthetic, 0);
  std::vector<std::int32_t> group_of_link(links);
  std::generate(group_of_link.begin(), group_of_link.end(), [&] {
    return static_cast<std::int32_t>(bench::detail::popular(random, relations, 0.8));
  });
  sampling::LinkSampler const sampler(group_of_link, relations,
                                      {.balance = sampling::LinkBalance::floor});
  Buffer<std::int64_t> order;
  sampler.epoch(1, 0, order);
  auto left = sampler.quotas();
  std::vector<bool> taken(links);
  for (std::int64_t const link : order.view()) {
    auto const at = static_cast<std::size_t>(link);
    --left[static_cast<std::size_t>(group_of_link[at])];
    if (taken[at]) {
      state.SkipWithError("takes a link twice");
      return;
    }
    taken[at] = true;
  }
  if (std::any_of(left.begin(), left.end(), [](std::int64_t n) { return n != 0; })) {
    state.SkipWithError("takes another number of a relation's links than its quota");
    return;
  }
  std::uint64_t number = 0;
  for (auto _ : state) {
    sampler.epoch(1, ++number, order);
  }
  bench::report(state, "links/s", static_cast<double>(order.size()));
}

[[maybe_unused]] bool const registered = [] {
  bench::add_serial("link_sampler.epoch/cpu/unequal_relations", benchmark::kMicrosecond, epoch);
  return true;
}();

}  // namespace
