#include "item_tower_input.hpp"

#include <algorithm>

#include <relweave/core/parallel.hpp>

namespace relweave::model {

void gather_item_inputs(HostContext const& ctx, ItemInputs const& items,
                        VectorView<NodeTypeId const> types, std::int64_t type_count,
                        VectorView<NodeId const> rows, Matrix<float>& x) {
  x.reset(rows.size, items.features.cols + type_count + items.vectors.cols);
  auto const out = x.view();
  parallel_for_blocks(ctx, rows.size, 256, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      NodeId const r = rows[i];
      float* p = std::copy_n(items.features.row_data(r), items.features.cols, out.row_data(i));
      std::fill_n(p, type_count, 0.0F);
      p[index(types[r])] = 1.0F;
      std::copy_n(items.vectors.row_data(r), items.vectors.cols, p + type_count);
    }
  });
}

}  // namespace relweave::model
