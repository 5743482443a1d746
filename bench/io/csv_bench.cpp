#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include <relweave/io/csv.hpp>

#include <measure.hpp>
#include <temporary_file.hpp>
#include <workloads.hpp>

using namespace relweave;

namespace {

constexpr std::int64_t rows = 200'000;

/// An interaction log: two ids, a time and a rating.
struct Log {
  std::vector<NodeId> users = bench::make_indices(rows, 50'000, 1);
  std::vector<NodeId> items = bench::make_indices(rows, 10'000, 2);
  std::string text = "user_id,item_id,ts,rating\n";

  Log() {
    for (std::size_t r = 0; r < users.size(); ++r) {
      text += "u" + std::to_string(users[r]) + "," + std::to_string(items[r]) + "," +
              std::to_string(1'600'000'000 + r) + "," + std::to_string(r % 10) + ".5\n";
    }
  }
};

enum class Part { read, strings, integers, numbers };

bool correct(io::CsvTable const& csv, Log const& log) {
  auto const users = csv.strings("user_id");
  auto const items = csv.integers("item_id");
  auto const ratings = csv.numbers("rating");
  for (std::size_t r = 0; r < log.users.size(); ++r) {
    if (users[r] != "u" + std::to_string(log.users[r]) || items[r] != log.items[r] ||
        ratings[r] != static_cast<double>(r % 10) + 0.5) {
      return false;
    }
  }
  return csv.rows() == rows;
}

void run(benchmark::State& state, Part part) {
  Log const log;
  bench::TemporaryFile const file("log.csv");
  std::ofstream(file.path()) << log.text;
  auto const csv = io::CsvTable::read(file.path());
  if (!correct(csv, log)) {
    state.SkipWithError("reads another table than was written");
    return;
  }
  for (auto _ : state) {
    switch (part) {
      case Part::read:
        benchmark::DoNotOptimize(io::CsvTable::read(file.path()));
        break;
      case Part::strings:
        benchmark::DoNotOptimize(csv.strings("user_id"));
        break;
      case Part::integers:
        benchmark::DoNotOptimize(csv.integers("item_id"));
        break;
      case Part::numbers:
        benchmark::DoNotOptimize(csv.numbers("rating"));
        break;
    }
  }
  bench::report(state, "rows/s", static_cast<double>(rows));
  if (part == Part::read) {
    bench::report(state, "bytes/s", static_cast<double>(log.text.size()));
  }
}

[[maybe_unused]] bool const registered = [] {
  char const* const names[] = {"read", "strings", "integers", "numbers"};
  for (Part const part : {Part::read, Part::strings, Part::integers, Part::numbers}) {
    bench::add_serial(std::string("csv.") + names[static_cast<int>(part)] + "/cpu/log",
                      benchmark::kMillisecond, [=](benchmark::State& state) { run(state, part); });
  }
  return true;
}();

}  // namespace
