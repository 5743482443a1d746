#pragma once

#include <cstdint>
#include <sstream>
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
  /// The bound keeps sums and products of two counts inside 64 bits.
  void count(std::string_view field, std::int64_t value,
             std::int64_t largest = std::int64_t{1} << 31) const {
    require(value >= 1 && value <= largest, field, std::to_string(value),
            "1 to " + std::to_string(largest));
  }
  // Beyond these bounds losses and squared gradients leave the range of float. NaN fails each.
  void positive(std::string_view field, double value) const {
    require(value >= 1e-9 && value <= 1e6, field, text_of(value), "a number from 1e-9 to 1e6");
  }
  void not_negative(std::string_view field, double value) const {
    require(value >= 0 && value <= 1e6, field, text_of(value), "a number from 0 to 1e6");
  }
  void share(std::string_view field, double value) const {
    require(value >= 0 && value < 1, field, text_of(value), "a share in [0, 1)");
  }
  /// The bound keeps the product of two sizes, and its bytes, far inside 64 bits.
  void layers(std::string_view field, std::vector<std::int64_t> const& sizes) const {
    constexpr std::int64_t widest = std::int64_t{1} << 20;
    require(!sizes.empty(), field, "no layer", "at least one layer");
    for (std::int64_t const size : sizes) {
      require(size >= 1 && size <= widest, field, std::to_string(size),
              "1 to " + std::to_string(widest) + " features");
    }
  }

 private:
  static std::string text_of(double value) {
    std::ostringstream text;
    text << value;
    return text.str();
  }
  void require(bool holds, std::string_view field, std::string const& got,
               std::string const& expected) const {
    if (!holds) {
      raise<ConfigError>(config_, field, got, expected);
    }
  }

  std::string_view config_;
};

}  // namespace relweave::model
