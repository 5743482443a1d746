#pragma once

#include <relweave/graph/co_interaction.hpp>

namespace relweave::graph {

/// What co_interaction_links does once its arguments are checked. Fills the whole report.
ItemLinks find_links(HostContext const& ctx, InteractionLogView const& log, ItemTypes const& types,
                     CoInteractionConfig const& config, CoInteractionReport& report,
                     ProgressCallback const& progress);

}  // namespace relweave::graph
