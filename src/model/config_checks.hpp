#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <relweave/core/error.hpp>

namespace relweave::model {

/// Range checks of a configuration struct's fields, with one form of message.
class ConfigCheck {
 public:
  explicit ConfigCheck(std::string_view config) : config_(config) {}

  void at_least(std::string_view field, std::int64_t value, std::int64_t lowest) const {
    require(value >= lowest, field, std::to_string(value), "at least " + std::to_string(lowest));
  }
  void positive(std::string_view field, double value) const {
    require(std::isfinite(value) && value > 0, field, std::to_string(value), "a number above 0");
  }
  void not_negative(std::string_view field, double value) const {
    require(std::isfinite(value) && value >= 0, field, std::to_string(value), "0 or more");
  }
  void share(std::string_view field, double value) const {
    require(value >= 0 && value < 1, field, std::to_string(value), "a share in [0, 1)");
  }
  void layers(std::string_view field, std::vector<std::int64_t> const& sizes) const {
    require(!sizes.empty(), field, "no layer", "at least one layer");
    for (std::int64_t const size : sizes) {
      at_least(field, size, 1);
    }
  }

 private:
  void require(bool holds, std::string_view field, std::string const& got,
               std::string const& expected) const {
    if (!holds) {
      raise<ConfigError>(config_, field, got, expected);
    }
  }

  std::string_view config_;
};

}  // namespace relweave::model
