#include <relweave/sampling/negative.hpp>

#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/random.hpp>

namespace relweave::sampling {

namespace {

constexpr std::int64_t rows_per_task = 256;

/// Calls fn(random numbers of the row) for every element of `out`.
template <typename Fn>
void fill_rows(HostContext const& ctx, std::uint64_t seed, std::uint64_t step,
               MatrixView<NodeId> out, Fn const& fn) {
  parallel_for_blocks(ctx, out.rows, rows_per_task, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      RandomStream random(seed, Purpose::negative_sampling,
                          (step << 32) | static_cast<std::uint64_t>(r));
      for (std::int64_t c = 0; c < out.cols; ++c) {
        out(r, c) = fn(random);
      }
    }
  });
}

}  // namespace

void uniform_negatives(HostContext const& ctx, std::uint64_t seed, std::uint64_t step,
                       std::int64_t node_count, MatrixView<NodeId> out) {
  if (node_count < 1 || node_count > std::numeric_limits<NodeId>::max()) {
    raise<ConfigError>("uniform_negatives", "node_count", std::to_string(node_count),
                       "1 to " + std::to_string(std::numeric_limits<NodeId>::max()));
  }
  fill_rows(ctx, seed, step, out, [&](RandomStream& random) {
    return static_cast<NodeId>(random.below(static_cast<std::uint32_t>(node_count)));
  });
}

PopularityNegatives::PopularityNegatives(VectorView<std::int64_t const> counts, double power)
    : log_q_(counts.size), threshold_(counts.size), alias_(counts.size) {
  constexpr std::string_view here = "PopularityNegatives";
  if (!(power >= 0 && std::isfinite(power))) {
    raise<ConfigError>(here, "power", std::to_string(power), "a finite number, at least 0");
  }
  if (counts.size > std::numeric_limits<NodeId>::max()) {
    raise<ConfigError>(here, "counts", std::to_string(counts.size) + " nodes",
                       "at most " + std::to_string(std::numeric_limits<NodeId>::max()));
  }
  std::vector<double> mass(static_cast<std::size_t>(counts.size), 0.0);
  for (std::int64_t i = 0; i < counts.size; ++i) {
    if (counts[i] < 0) {
      raise<ConfigError>(here, "counts",
                         std::to_string(counts[i]) + " at position " + std::to_string(i),
                         "at least 0");
    }
    if (counts[i] > 0) {
      mass[static_cast<std::size_t>(i)] = std::pow(static_cast<double>(counts[i]), power);
    }
  }
  double const total = std::accumulate(mass.begin(), mass.end(), 0.0);
  if (!(total > 0 && std::isfinite(total))) {
    raise<ConfigError>(here, "counts", "a total mass of " + std::to_string(total),
                       "a positive, finite one");
  }

  // Vose: pair a column that holds less than its share with one that holds more.
  std::vector<NodeId> small;
  std::vector<NodeId> large;
  NodeId likeliest = 0;
  for (std::int64_t i = 0; i < counts.size; ++i) {
    double& m = mass[static_cast<std::size_t>(i)];
    log_q_.view()[i] = static_cast<float>(std::log(m / total));
    m *= static_cast<double>(counts.size) / total;
    auto const node = static_cast<NodeId>(i);
    likeliest = m > mass[static_cast<std::size_t>(likeliest)] ? node : likeliest;
    (m < 1 ? small : large).push_back(node);
    threshold_.view()[i] = 1;
    alias_.view()[i] = node;
  }
  while (!small.empty() && !large.empty()) {
    NodeId const low = small.back();
    NodeId const high = large.back();
    small.pop_back();
    threshold_.view()[low] = mass[static_cast<std::size_t>(low)];
    alias_.view()[low] = high;
    double& rest = mass[static_cast<std::size_t>(high)];
    rest -= 1 - mass[static_cast<std::size_t>(low)];
    if (rest < 1) {
      large.pop_back();
      small.push_back(high);
    }
  }
  // Rounding may leave columns unpaired: full ones, except those that must never be drawn.
  for (NodeId const node : small) {
    if (mass[static_cast<std::size_t>(node)] == 0) {
      threshold_.view()[node] = 0;
      alias_.view()[node] = likeliest;
    }
  }
}

void PopularityNegatives::draw(HostContext const& ctx, std::uint64_t seed, std::uint64_t step,
                               MatrixView<NodeId> out) const {
  fill_rows(ctx, seed, step, out, [&](RandomStream& random) {
    auto const column =
        static_cast<NodeId>(random.below(static_cast<std::uint32_t>(alias_.size())));
    return random.uniform() < threshold_.view()[column] ? column : alias_.view()[column];
  });
}

}  // namespace relweave::sampling
