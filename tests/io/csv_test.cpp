#include <catch2/catch.hpp>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/io/csv.hpp>

using namespace relweave;
using relweave::io::CsvTable;

namespace {

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("what Python's csv.writer writes is read back", "[io][csv]") {
  // csv.writer(f, quoting=QUOTE_MINIMAL or QUOTE_ALL).writerows(...), Python 3.11
  std::string const text = GENERATE(
      "item_id,title,note\r\n\"a,b\",\"He said \"\"go\"\"\",\"two\nlines\"\r\n"
      "ü, spaced ,\"crlf\r\nin\"\r\n,'single',\"\"\"\"\r\nx,\"\"\"\"\"\",end\r\n",
      "\"item_id\",\"title\",\"note\"\r\n\"a,b\",\"He said \"\"go\"\"\",\"two\nlines\"\r\n"
      "\"ü\",\" spaced \",\"crlf\r\nin\"\r\n\"\",\"'single'\",\"\"\"\"\r\n"
      "\"x\",\"\"\"\"\"\",\"end\"\r\n");

  auto const table = CsvTable::parse(text);

  CHECK(table.columns() == Strings{"item_id", "title", "note"});
  CHECK(table.rows() == 4);
  CHECK(table.strings("item_id") == Strings{"a,b", "ü", "", "x"});
  CHECK(table.strings("title") == Strings{"He said \"go\"", " spaced ", "'single'", "\"\""});
  CHECK(table.strings("note") == Strings{"two\nlines", "crlf\r\nin", "\"", "end"});
}

TEST_CASE("line ends, byte order mark, empty lines and delimiters", "[io][csv]") {
  auto const unix_lines = CsvTable::parse("a,b\n1,2\n3,4");
  auto const old_lines = CsvTable::parse("a,b\r1,2\r\r3,4\r");
  auto const marked = CsvTable::parse(
      "\xEF\xBB\xBF"
      "a,b\r\n\r\n1,2\r\n\r\n3,4\r\n\r\n");
  auto const tabs = CsvTable::parse("a\tb\n1,5\t2\n", "tabs", '\t');
  auto const empty_fields = CsvTable::parse("a,b\n,\n5\" disk,");

  CHECK(unix_lines.integers("b") == std::vector<std::int64_t>{2, 4});
  CHECK(old_lines.integers("b") == std::vector<std::int64_t>{2, 4});
  CHECK(marked.integers("a") == std::vector<std::int64_t>{1, 3});
  CHECK(tabs.strings("a") == Strings{"1,5"});
  CHECK(empty_fields.strings("a") == Strings{"", "5\" disk"});
  CHECK(empty_fields.strings("b") == Strings{"", ""});
  CHECK(CsvTable::parse("only,a,header").rows() == 0);
}

TEST_CASE("numbers are parsed whole", "[io][csv]") {
  auto const table = CsvTable::parse(
      "time,score,both\n"
      "-9223372036854775808,0.1,7\n"
      "9223372036854775807,-1e-3,\"8\"\n");

  CHECK(table.integers("time") == std::vector<std::int64_t>{INT64_MIN, INT64_MAX});
  CHECK(table.numbers("score") == std::vector<double>{0.1, -1e-3});
  CHECK(table.integers("both") == std::vector<std::int64_t>{7, 8});
  CHECK(table.numbers("both") == std::vector<double>{7, 8});
}

TEST_CASE("a table survives being moved", "[io][csv]") {
  auto table = CsvTable::parse("a\nx\n");  // short: would live inside a string object

  CsvTable const moved = std::move(table);

  CHECK(moved.strings("a") == Strings{"x"});
}

TEST_CASE("defects are named with file, line and column", "[io][csv]") {
  using Catch::Contains;
  auto const parse = [](std::string const& text) { return CsvTable::parse(text, "log.csv"); };
  std::string const two_lines = "a,b\n\"x\ny\",2\n";

  CHECK_THROWS_AS(parse(""), IoError);
  CHECK_THROWS_WITH(parse("\n\n"), Contains("log.csv: got no header"));
  CHECK_THROWS_WITH(parse("a,b,a\n"), Contains("'a' twice"));
  CHECK_THROWS_WITH(parse(two_lines + "1,2,3\n"),
                    Contains("log.csv, line 4, column 1: got 3 fields, expected 2"));
  CHECK_THROWS_WITH(parse(two_lines + "1\n"), Contains("line 4") && Contains("got 1 fields"));
  CHECK_THROWS_WITH(parse(two_lines + "1,\"open\n2,3\n"),
                    Contains("line 4, column 3: got a quote that is never closed"));
  CHECK_THROWS_WITH(parse("a,b\n1,\"x\"y\n"), Contains("line 2, column 6: got 'y' behind"));
  CHECK_THROWS_AS(parse("a\n\"x\"y\n"), IoError);
}

TEST_CASE("unknown columns and broken numbers are named", "[io][csv]") {
  using Catch::Contains;
  auto const table = CsvTable::parse(
      "user,time,x\n\"a\nb\",12,\nc,12.5,1e999\nd,99999999999999999999, 1\n", "log.csv");

  CHECK_THROWS_AS(table.strings("item"), ConfigError);
  CHECK_THROWS_WITH(table.strings("item"),
                    Contains("got 'item', expected one of 'user', 'time', 'x' in log.csv"));
  CHECK_THROWS_AS(table.integers("time"), IoError);
  CHECK_THROWS_WITH(table.integers("time"), Contains("log.csv, line 4, column 'time'") &&
                                                Contains("got '12.5', expected a whole number"));
  CHECK_THROWS_WITH(table.numbers("x"), Contains("line 2, column 'x': got ''"));
  CHECK_THROWS_WITH(CsvTable::parse("x\n1e999\n").numbers("x"), Contains("1e999"));
  CHECK_THROWS_WITH(CsvTable::parse("x\n 1\n").integers("x"), Contains("' 1'"));
  CHECK_THROWS_WITH(CsvTable::parse("x\n99999999999999999999\n").integers("x"),
                    Contains("64 bits"));
}

TEST_CASE("a file is read as its text; a missing one is an IoError", "[io][csv]") {
  auto const path = std::filesystem::temp_directory_path() /
                    ("relweave-csv-" + std::to_string(::getpid()) + ".csv");
  std::ofstream(path, std::ios::binary) << "a,b\r\n1,\"2\r\n\"\r\n";

  auto const table = CsvTable::read(path);
  std::filesystem::remove(path);

  CHECK(table.strings("b") == Strings{"2\r\n"});
  CHECK_THROWS_AS(CsvTable::read(path), IoError);
}
