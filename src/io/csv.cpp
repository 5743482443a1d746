#include <relweave/io/csv.hpp>

#include <algorithm>
#include <charconv>
#include <utility>

#include <relweave/core/error.hpp>
#include <relweave/io/files.hpp>

namespace relweave::io {

namespace {

struct Place {
  std::int64_t line = 1;
  std::int64_t column = 1;
};

/// Reads fields one by one. Doubled quotes are taken out in place: a field never grows.
class Scanner {
 public:
  Scanner(VectorView<char> text, std::string_view name, char delimiter)
      : at_(text.begin()), end_(text.end()), name_(name), delimiter_(delimiter) {
    constexpr std::string_view mark = "\xEF\xBB\xBF";
    if (std::string_view(at_, static_cast<std::size_t>(end_ - at_)).starts_with(mark)) {
      at_ += mark.size();
    }
    line_begin_ = at_;
  }

  bool done() const { return at_ == end_; }
  std::int64_t line() const { return line_; }

  /// True at an empty line, which is passed.
  bool skip_empty_line() { return end_line(); }

  /// Fields of the next row, appended.
  void row(std::vector<std::string_view>& fields) {
    for (;;) {
      fields.push_back(at_ != end_ && *at_ == '"' ? quoted() : plain());
      if (at_ == end_ || end_line()) {
        return;
      }
      ++at_;  // the delimiter
    }
  }

  [[noreturn]] void refuse(Place place, std::string_view got, std::string_view expected) const {
    raise<IoError>("CsvTable",
                   std::string(name_) + ", line " + std::to_string(place.line) + ", column " +
                       std::to_string(place.column),
                   got, expected);
  }

 private:
  Place here() const { return {line_, at_ - line_begin_ + 1}; }

  bool end_line() {
    if (at_ == end_ || (*at_ != '\n' && *at_ != '\r')) {
      return false;
    }
    at_ += *at_ == '\r' && end_ - at_ > 1 && at_[1] == '\n' ? 2 : 1;
    ++line_;
    line_begin_ = at_;
    return true;
  }

  std::string_view plain() {
    char* const begin = at_;
    while (at_ != end_ && *at_ != delimiter_ && *at_ != '\n' && *at_ != '\r') {
      ++at_;
    }
    return {begin, at_};
  }

  std::string_view quoted() {
    Place const opened = here();
    char* const begin = ++at_;
    char* to = begin;
    for (;;) {
      if (at_ == end_) {
        refuse(opened, "a quote that is never closed", "a closing quote");
      }
      char* const from = at_;
      if (*at_ == '"') {
        ++at_;
        if (at_ == end_ || *at_ != '"') {
          break;
        }
        *to++ = *at_++;  // a doubled quote
      } else {
        if (!end_line()) {
          ++at_;
        }
        to = std::copy(from, at_, to);  // one character, or a line end as it stands
      }
    }
    if (at_ != end_ && *at_ != delimiter_ && *at_ != '\n' && *at_ != '\r') {
      refuse(here(), std::string("'") + *at_ + "' behind a closing quote",
             "the end of the field; a quote inside quotes is doubled");
    }
    return {begin, to};
  }

  char* at_;
  char* end_;
  char* line_begin_;
  std::int64_t line_ = 1;
  std::string_view name_;
  char delimiter_;
};

}  // namespace

CsvTable::CsvTable(Buffer<char> text, std::string name, char delimiter)
    : text_(std::move(text)), name_(std::move(name)) {
  Scanner scanner(text_.view(), name_, delimiter);
  while (!scanner.done()) {
    Place const begin{.line = scanner.line()};
    if (scanner.skip_empty_line()) {
      continue;
    }
    if (columns_.empty()) {
      std::vector<std::string_view> header;
      scanner.row(header);
      for (std::string_view const column : header) {
        if (contains(column)) {
          scanner.refuse(begin, "the name '" + std::string(column) + "' twice", "different names");
        }
        columns_.emplace_back(column);
      }
      continue;
    }
    std::size_t const before = fields_.size();
    scanner.row(fields_);
    lines_.push_back(begin.line);
    if (fields_.size() - before != columns_.size()) {
      scanner.refuse(begin, std::to_string(fields_.size() - before) + " fields",
                     std::to_string(columns_.size()) + ", as in the header");
    }
  }
  if (columns_.empty()) {
    raise<IoError>("CsvTable", name_, "no header", "a first line with the names of the columns");
  }
}

CsvTable CsvTable::read(std::filesystem::path const& path, char delimiter) {
  auto const bytes = read_file(path);
  return parse(
      {reinterpret_cast<char const*>(bytes.data()), static_cast<std::size_t>(bytes.size())},
      path.string(), delimiter);
}

CsvTable CsvTable::parse(std::string_view text, std::string name, char delimiter) {
  return {Buffer<char>::copy_of(text), std::move(name), delimiter};
}

bool CsvTable::contains(std::string_view column) const {
  return std::find(columns_.begin(), columns_.end(), column) != columns_.end();
}

std::size_t CsvTable::position(std::string_view column) const {
  auto const found = std::find(columns_.begin(), columns_.end(), column);
  if (found == columns_.end()) {
    std::string known;
    for (std::string const& name : columns_) {
      known += (known.empty() ? "'" : ", '") + name + "'";
    }
    raise<ConfigError>("CsvTable", "column", "'" + std::string(column) + "'",
                       "one of " + known + " in " + name_);
  }
  return static_cast<std::size_t>(found - columns_.begin());
}

std::vector<std::string> CsvTable::strings(std::string_view column) const {
  std::vector<std::string> values;
  values.reserve(lines_.size());
  for (std::size_t f = position(column); f < fields_.size(); f += columns_.size()) {
    values.emplace_back(fields_[f]);
  }
  return values;
}

template <typename T>
std::vector<T> CsvTable::parsed(std::string_view column, std::string_view expected) const {
  std::vector<T> values;
  values.reserve(lines_.size());
  for (std::size_t f = position(column); f < fields_.size(); f += columns_.size()) {
    std::string_view const field = fields_[f];
    T value{};
    auto const [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
    if (error != std::errc{} || end != field.data() + field.size()) {
      raise<IoError>("CsvTable",
                     name_ + ", line " + std::to_string(lines_[values.size()]) + ", column '" +
                         std::string(column) + "'",
                     "'" + std::string(field) + "'", expected);
    }
    values.push_back(value);
  }
  return values;
}

std::vector<std::int64_t> CsvTable::integers(std::string_view column) const {
  return parsed<std::int64_t>(column, "a whole number of 64 bits");
}

std::vector<double> CsvTable::numbers(std::string_view column) const {
  return parsed<double>(column, "a number");
}

}  // namespace relweave::io
