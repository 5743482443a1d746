#pragma once

#include <string_view>

#include <relweave/core/cuda.hpp>
#include <relweave/core/views.hpp>
#include <relweave/graph/co_interaction.hpp>
#include <relweave/model/training.hpp>
#include <relweave/model/two_tower.hpp>

#include "uploaded.hpp"

namespace relweave::model {

/// Throws ConfigError for a value that is not finite, and for a matrix whose largest magnitude lies
/// outside [1e-12, 1e12]: squares and reciprocals of such values leave the range of float. All
/// zeros are fine.
void expect_features(std::string_view function, std::string_view argument,
                     MatrixView<float const> features);

/// The same where the features are; on a device it reads them back once.
template <AnyContext C>
void expect_features(std::string_view function, std::string_view argument, C const& ctx,
                     MatrixView<float const, space_of<C>> features) {
  if constexpr (space_of<C> == Space::host) {
    expect_features(function, argument, features);
  } else {
    Matrix<float> const copied = to_host<float, Space::device>(ctx, features);
    expect_features(function, argument, copied.view());
  }
}

/// Throws ShapeError or IndexError unless offsets ascend from 0 to the number of items, the columns
/// have one length, and items are in range.
void expect_histories(std::string_view function, Histories const& histories,
                      std::int64_t item_count);

/// Throws unless the types are valid and the columns of the links have one length, ends in range
/// and counts of at least 0.
void expect_links(std::string_view function, graph::ItemTypes const& types,
                  graph::ItemLinks const& links);

/// Throws ConfigError when a loss or a parameter is not finite.
void expect_converged(std::string_view function, TrainingHistory const& history,
                      VectorView<float const> parameters);

}  // namespace relweave::model
