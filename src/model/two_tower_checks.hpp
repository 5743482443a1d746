#pragma once

#include <relweave/graph/co_interaction.hpp>
#include <relweave/model/two_tower.hpp>

namespace relweave::model {

/// Throws ConfigError for a setting outside its range.
void validate(TwoTowerConfig const& config);

/// Throws unless the columns of `log` have one length, ids in range, and rows sorted by user and,
/// inside a user, by time.
void expect_sorted_log(graph::InteractionLogView const& log);

}  // namespace relweave::model
