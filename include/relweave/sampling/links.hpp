#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/types.hpp>

namespace relweave::sampling {

/// How many links of each group (relation) an epoch visits.
enum class LinkBalance {
  none,    ///< all links
  floor,   ///< the size of the smallest group, but at least LinkSamplerConfig::floor
  strict,  ///< the size of the smallest group: De Nadai et al. 2024, section 4.1.3
};

struct LinkSamplerConfig {
  LinkBalance balance = LinkBalance::floor;
  /// Strict balance starves when relations are very unequal: the smallest of 21 had 100 links and
  /// the model undertrained (validation HR@10 .314 against .363 with this floor).
  std::int64_t floor = 2000;
};

/// Balanced multi-link sampler: every epoch takes the same number of links of each group (or all
/// that a smaller group has), a fresh uniform subset each time, in random order.
/// Source: De Nadai et al. 2024, section 4.1.3 (arXiv 2403.05185); the floor is this library's.
class RELWEAVE_API LinkSampler {
 public:
  /// group_of_link: the group of each link, in [0, group_count). Groups may be empty.
  /// Throws ConfigError for a floor below 1, IndexError for a group out of range.
  LinkSampler(std::span<std::int32_t const> group_of_link, std::int32_t group_count,
              LinkSamplerConfig const& config);

  /// Positions of the epoch's links. A function of (seed, epoch) alone.
  void epoch(std::uint64_t seed, std::uint64_t epoch, Buffer<std::int64_t>& order) const;

  /// Links taken of each group and epoch.
  std::vector<std::int64_t> const& quotas() const { return quotas_; }

 private:
  std::vector<std::vector<std::int64_t>> groups_;
  std::vector<std::int64_t> quotas_;
};

struct LinkSplit {
  Buffer<std::int64_t> train;       // ascending
  Buffer<std::int64_t> validation;  // ascending
};

/// Puts a uniformly random share of `link_count` links, rounded down, aside for validation.
/// Throws ConfigError for a share outside [0, 1).
RELWEAVE_API LinkSplit validation_split(std::int64_t link_count, double validation_fraction,
                                        std::uint64_t seed);

}  // namespace relweave::sampling
