#include <relweave/io/vocabulary.hpp>

#include <utility>

#include <relweave/core/error.hpp>

namespace relweave::io {

namespace {

[[noreturn]] void refuse_duplicate(std::string const& id) {
  raise<ConfigError>("Vocabulary", "ids", "'" + id + "' twice", "different ids");
}

}  // namespace

Vocabulary::Vocabulary(Strings ids) {
  for (std::string const& id : ids) {
    if (!string_index_.emplace(id, static_cast<std::int64_t>(string_index_.size())).second) {
      refuse_duplicate(id);
    }
  }
  ids_ = std::move(ids);
}

Vocabulary::Vocabulary(Integers ids) {
  for (std::int64_t const id : ids) {
    if (!integer_index_.emplace(id, static_cast<std::int64_t>(integer_index_.size())).second) {
      refuse_duplicate(std::to_string(id));
    }
  }
  ids_ = std::move(ids);
}

// The ids are copied first and moved in: where memory runs out inside the copy of a std::variant,
// libstdc++ 12 visits a variant that has no value.
Vocabulary::Vocabulary(Vocabulary const& other)
    : string_index_(other.string_index_), integer_index_(other.integer_index_) {
  if (other.holds_integers()) {
    ids_ = Integers(other.integers());
  } else {
    ids_ = Strings(other.strings());
  }
}

std::int64_t Vocabulary::size() const {
  return holds_integers() ? std::ssize(integers()) : std::ssize(strings());
}

std::optional<std::int64_t> Vocabulary::find(std::string_view id) const {
  auto const found = string_index_.find(std::string(id));
  return found == string_index_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::int64_t> Vocabulary::find(std::int64_t id) const {
  auto const found = integer_index_.find(id);
  return found == integer_index_.end() ? std::nullopt : std::optional(found->second);
}

void Vocabulary::append(Vocabulary const& more) {
  if (more.holds_integers() != holds_integers()) {
    raise<ConfigError>("Vocabulary.append", "ids", more.holds_integers() ? "integers" : "strings",
                       holds_integers() ? "integers" : "strings", "Use one kind of id throughout.");
  }
  if (holds_integers()) {
    Integers all = integers();
    all.insert(all.end(), more.integers().begin(), more.integers().end());
    *this = Vocabulary(std::move(all));
  } else {
    Strings all = strings();
    all.insert(all.end(), more.strings().begin(), more.strings().end());
    *this = Vocabulary(std::move(all));
  }
}

}  // namespace relweave::io
