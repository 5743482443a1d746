#include <relweave/sampling/negative.hpp>

#include <limits>
#include <string>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/random.hpp>

namespace relweave::sampling {

void uniform_negatives(HostContext const& ctx, std::uint64_t seed, std::uint64_t step,
                       std::int64_t node_count, MatrixView<NodeId> out) {
  if (node_count < 1 || node_count > std::numeric_limits<NodeId>::max()) {
    raise<ConfigError>("uniform_negatives", "node_count", std::to_string(node_count),
                       "1 to " + std::to_string(std::numeric_limits<NodeId>::max()));
  }
  parallel_for_blocks(ctx, out.rows, 256, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      RandomStream random(seed, Purpose::negative_sampling,
                          (step << 32) | static_cast<std::uint64_t>(r));
      for (std::int64_t c = 0; c < out.cols; ++c) {
        out(r, c) = static_cast<NodeId>(random.below(static_cast<std::uint32_t>(node_count)));
      }
    }
  });
}

}  // namespace relweave::sampling
