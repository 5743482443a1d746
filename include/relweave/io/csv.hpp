#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>

namespace relweave::io {

/// A CSV file with a header, in memory: columns by name, as strings or numbers. What a program
/// needs to read an interaction log and an item table. Format:  RFC 4180: quoted fields hold
/// commas, line ends and doubled quotes; lines end in LF, CRLF
///          or CR. A UTF-8 byte order mark is skipped, so are empty lines; a quote inside a field
///          that does not start with one is an ordinary character, as in Python's csv module.
/// Throws:  IoError with file, line and column for a quote that is never closed, text behind a
/// closed
///          one, a row of another length than the header, a missing header, or a name twice in it.
/// Example: examples/cpp/train.cpp
class RELWEAVE_API CsvTable {
 public:
  static CsvTable read(std::filesystem::path const& path, char delimiter = ',');
  /// `name` stands for the file in messages.
  static CsvTable parse(std::string_view text, std::string name = "text", char delimiter = ',');

  std::int64_t rows() const { return std::ssize(lines_); }
  std::vector<std::string> const& columns() const { return columns_; }
  bool contains(std::string_view column) const;

  /// One value for each row. Throw ConfigError, which lists the columns, for an unknown one, and
  /// IoError with the line for what is no number: empty fields are none, nor are spaces around one.
  std::vector<std::string> strings(std::string_view column) const;
  std::vector<std::int64_t> integers(std::string_view column) const;
  std::vector<double> numbers(std::string_view column) const;

 private:
  CsvTable(Buffer<char> text, std::string name, char delimiter);
  std::size_t position(std::string_view column) const;
  template <typename T>
  std::vector<T> parsed(std::string_view column, std::string_view expected) const;

  Buffer<char> text_;
  std::string name_;
  std::vector<std::string> columns_;
  std::vector<std::string_view> fields_;  // into text_, row by row
  std::vector<std::int64_t> lines_;       // where each row begins, from 1
};

}  // namespace relweave::io
