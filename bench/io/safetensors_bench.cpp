#include <cstdint>
#include <string>

#include <relweave/io/safetensors.hpp>

#include <measure.hpp>
#include <temporary_file.hpp>
#include <workloads.hpp>

using namespace relweave;

namespace {

constexpr std::int64_t bytes = bench::table.rows * bench::table.d * 4;

/// A table of vectors. Reading is out of the system's cache of files, with a copy into a matrix.
void run(benchmark::State& state, bool write) {
  auto const vectors = bench::make_matrix<float>(bench::table.rows, bench::table.d, 1);
  bench::TemporaryFile const file("table.safetensors");
  io::SafetensorsWriter writer;
  writer.add("vectors", vectors.view());
  writer.write(file.path());
  auto const read = [&] { return io::SafetensorsReader(file.path()).matrix<float>("vectors"); };
  if (bench::largest_difference<float>(read().view(), vectors.view()) != 0) {
    state.SkipWithError("reads other values than were written");
    return;
  }
  for (auto _ : state) {
    if (write) {
      writer.write(file.path());
    } else {
      benchmark::DoNotOptimize(read());
    }
  }
  bench::report_bytes(state, bytes, bench::stream_bandwidth({.threads = 1}, bytes));
}

[[maybe_unused]] bool const registered = [] {
  for (bool const write : {false, true}) {
    bench::add_serial(std::string("safetensors.") + (write ? "write" : "read") + "/cpu/float/" +
                          std::string(bench::table.name),
                      benchmark::kMillisecond, [=](benchmark::State& state) { run(state, write); });
  }
  return true;
}();

}  // namespace
