#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include <relweave/core/config.hpp>

namespace relweave::io {

/// External ids in dense order: strings or 64-bit integers, all different.
class RELWEAVE_API Vocabulary {
 public:
  using Strings = std::vector<std::string>;
  using Integers = std::vector<std::int64_t>;

  Vocabulary() = default;
  /// Throws ConfigError that names the first id that occurs twice.
  explicit Vocabulary(Strings ids);
  explicit Vocabulary(Integers ids);
  Vocabulary(Vocabulary const& other);
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary const& other) { return *this = Vocabulary(other); }
  Vocabulary& operator=(Vocabulary&&) = default;

  std::int64_t size() const;
  bool holds_integers() const { return std::holds_alternative<Integers>(ids_); }
  Strings const& strings() const { return std::get<Strings>(ids_); }
  Integers const& integers() const { return std::get<Integers>(ids_); }

  /// The dense id, or nothing when the external id is unknown or of the other kind.
  std::optional<std::int64_t> find(std::string_view id) const;
  std::optional<std::int64_t> find(std::int64_t id) const;

  /// Adds ids behind the present ones. Throws ConfigError, and changes nothing, for an id that
  /// exists or another kind of ids.
  void append(Vocabulary const& more);

 private:
  std::variant<Strings, Integers> ids_;
  std::unordered_map<std::string, std::int64_t> string_index_;
  std::unordered_map<std::int64_t, std::int64_t> integer_index_;
};

}  // namespace relweave::io
