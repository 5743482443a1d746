#include <relweave/sampling/links.hpp>

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>

#include <relweave/core/error.hpp>
#include <relweave/core/random.hpp>

namespace relweave::sampling {

LinkSampler::LinkSampler(std::span<std::int32_t const> group_of_link, std::int32_t group_count,
                         LinkSamplerConfig const& config) {
  if (group_count < 0) {
    raise<ConfigError>("LinkSampler", "group_count", std::to_string(group_count), "at least 0");
  }
  if (config.floor < 1) {
    raise<ConfigError>("LinkSampler", "floor", std::to_string(config.floor), "at least 1");
  }
  expect_indices("LinkSampler", "group_of_link",
                 VectorView<std::int32_t const>(group_of_link.data(), std::ssize(group_of_link)),
                 group_count);
  groups_.resize(static_cast<std::size_t>(group_count));
  for (std::size_t k = 0; k < group_of_link.size(); ++k) {
    groups_[static_cast<std::size_t>(group_of_link[k])].push_back(static_cast<std::int64_t>(k));
  }
  std::int64_t smallest = std::numeric_limits<std::int64_t>::max();
  for (auto const& group : groups_) {
    smallest = group.empty() ? smallest : std::min(smallest, std::ssize(group));
  }
  for (auto const& group : groups_) {
    std::int64_t quota = std::ssize(group);
    if (config.balance == LinkBalance::strict) {
      quota = std::min(quota, smallest);
    } else if (config.balance == LinkBalance::floor) {
      quota = std::min(quota, std::max(smallest, config.floor));
    }
    quotas_.push_back(quota);
  }
}

void LinkSampler::epoch(std::uint64_t seed, std::uint64_t epoch,
                        Buffer<std::int64_t>& order) const {
  order.reset(std::accumulate(quotas_.begin(), quotas_.end(), std::int64_t{0}));
  std::int64_t* out = order.data();
  std::vector<std::int64_t> pool;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    pool = groups_[g];
    RandomStream random(seed, Purpose::link_sampling, (epoch << 32) | g);
    for (std::int64_t k = 0; k < quotas_[g]; ++k) {  // the first steps of a Fisher-Yates shuffle
      auto const rest = static_cast<std::uint32_t>(std::ssize(pool) - k);
      std::swap(pool[static_cast<std::size_t>(k)],
                pool[static_cast<std::size_t>(k) + random.below(rest)]);
    }
    out = std::copy_n(pool.begin(), quotas_[g], out);
  }
  RandomStream(seed, Purpose::shuffle, epoch).shuffle(order.data(), out);
}

LinkSplit validation_split(std::int64_t link_count, double validation_fraction,
                           std::uint64_t seed) {
  if (!(validation_fraction >= 0 && validation_fraction < 1)) {
    raise<ConfigError>("validation_split", "validation_fraction",
                       std::to_string(validation_fraction), "a share in [0, 1)");
  }
  if (link_count < 0 || link_count > std::numeric_limits<std::uint32_t>::max()) {
    raise<ConfigError>("validation_split", "link_count", std::to_string(link_count),
                       "0 to " + std::to_string(std::numeric_limits<std::uint32_t>::max()));
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(link_count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  RandomStream(seed, Purpose::validation_split, 0).shuffle(order.begin(), order.end());
  auto const validation =
      static_cast<std::int64_t>(validation_fraction * static_cast<double>(link_count));
  std::sort(order.begin(), order.begin() + validation);
  std::sort(order.begin() + validation, order.end());
  std::span<std::int64_t const> const all(order);
  return {
      .train = Buffer<std::int64_t>::copy_of(all.subspan(static_cast<std::size_t>(validation))),
      .validation = Buffer<std::int64_t>::copy_of(all.first(static_cast<std::size_t>(validation)))};
}

}  // namespace relweave::sampling
