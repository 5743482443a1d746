#pragma once

#include <relweave/core/buffer.hpp>
#include <relweave/core/context.hpp>
#include <relweave/model/two_tower.hpp>

namespace relweave::model {

/// x[i] = [features[r] | one-hot type[r] | vectors[r]] for r = rows[i]: what the item tower reads.
/// `types` holds the type of every row of `items`.
void gather_item_inputs(HostContext const& ctx, ItemInputs const& items,
                        VectorView<NodeTypeId const> types, std::int64_t type_count,
                        VectorView<NodeId const> rows, Matrix<float>& x);

}  // namespace relweave::model
