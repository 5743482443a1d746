#pragma once

#include <cstdint>

#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::sampling {

/// Fills `out` with independent uniform draws from [0, node_count). Row r is a function of
/// (seed, step, r) alone.
RELWEAVE_API void uniform_negatives(HostContext const& ctx, std::uint64_t seed, std::uint64_t step,
                                    std::int64_t node_count, MatrixView<NodeId> out);

}  // namespace relweave::sampling
