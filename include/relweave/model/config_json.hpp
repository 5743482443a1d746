#pragma once

#include <string>
#include <string_view>

#include <relweave/core/config.hpp>
#include <relweave/model/recommender.hpp>

namespace relweave::model {

/// A configuration as JSON text, every field by its name: what checkpoints hold and what Python's
/// configuration classes are made from.
RELWEAVE_API std::string to_json(RecommenderConfig const& config);

/// The reverse. Fields that are left out keep their defaults; unknown names, wrong types and
/// unknown words throw ConfigError with the path of the field.
RELWEAVE_API RecommenderConfig recommender_config_from_json(std::string_view json);

}  // namespace relweave::model
