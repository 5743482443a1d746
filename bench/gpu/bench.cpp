#include <bench.hpp>

#include <algorithm>
#include <cmath>
#include <iostream>

#include <relweave/core/error.hpp>

namespace relweave::bench {

namespace {

/// Of results on the small input against the host's: float differs by the order of its sums.
double tolerance_on_host(std::string const& dtype, Closeness closeness) {
  if (closeness == Closeness::norm) {
    return 0.1;
  }
  return dtype == "bfloat16" ? 1.0 / 64 : 1e-4;
}

/// Of results against each other: rows with 1e5 edges add up in other orders.
double tolerance_among_cases(std::string const& dtype, Closeness closeness) {
  if (closeness == Closeness::norm) {
    return 0.1;
  }
  return dtype == "bfloat16" ? 1.0 / 32 : 1e-3;
}

constexpr std::int64_t compared_rows = 4096;

}  // namespace

void check(std::string_view call, cudaError_t status) {
  if (status != cudaSuccess) {
    cudaGetLastError();
    raise<CudaError>("bench", call, cudaGetErrorString(status), "success");
  }
}

std::string Row::name() const {
  std::string const d = problem.d == 0 ? "" : "/" + std::to_string(problem.d);
  return work + "/" + by + "/" + problem.dtype + "/" + problem.workload + d;
}

Bench::Bench(Settings const& settings) : settings_(settings) {
  int cache_bytes = 0;
  check("cudaDeviceGetAttribute",
        cudaDeviceGetAttribute(&cache_bytes, cudaDevAttrL2CacheSize, context().device));
  flush_.reset(std::int64_t{2} * cache_bytes);
  events_.resize(2 * static_cast<std::size_t>(settings.repeats));
  for (auto& event : events_) {
    check("cudaEventCreate", cudaEventCreate(&event));
  }
}

Bench::~Bench() {
  for (auto const event : events_) {
    cudaEventDestroy(event);
  }
}

bool Bench::wants(Row const& row) const {
  return row.name().find(settings_.filter) != std::string::npos;
}

double Bench::copy_bandwidth() {
  auto const bytes = static_cast<std::int64_t>(
      std::clamp(settings_.scale * static_cast<double>(std::int64_t{1} << 30), 1e6, 2e9));
  Buffer<std::byte, Space::device> from(bytes), to(bytes);
  auto const ctx = context();
  auto const seconds = time([&] {
    check("cudaMemcpyAsync",
          cudaMemcpyAsync(to.data(), from.data(), static_cast<std::size_t>(bytes),
                          cudaMemcpyDeviceToDevice, ctx.stream));
  });
  return 2 * static_cast<double>(bytes) / seconds[seconds.size() / 2];
}

void Bench::measure(Problem const& problem, std::function<void(bool checks)> const& f) {
  problem_ = problem;
  wrong_.clear();
  first_of_.clear();
  for (bool const checks : {true, false}) {
    checks_ = checks;
    f(checks);
  }
}

void Bench::add(Row row) {
  std::cerr << row.name() << ": ";
  if (!row.seconds.empty()) {
    std::cerr << row.seconds[row.seconds.size() / 2] * 1e3 << " ms";
  }
  std::cerr << (row.skipped.empty() ? "" : "skipped, " + row.skipped)
            << (row.wrong.empty() ? "" : " WRONG, " + row.wrong) << '\n';
  rows_.push_back(std::move(row));
}

void Bench::skip(std::string_view work, std::string_view by, std::string const& why) {
  if (wants(work, by, problem_) && !has(work, by)) {
    add({.work = std::string(work), .by = std::string(by), .problem = problem_, .skipped = why});
  }
}

void Bench::fail(std::string_view work, std::string_view by, std::string const& why) {
  if (wants(work, by, problem_)) {
    add({.work = std::string(work), .by = std::string(by), .problem = problem_, .wrong = why});
  }
}

bool Bench::has(std::string_view work, std::string_view by) const {
  Row const wanted{.work = std::string(work), .by = std::string(by), .problem = problem_};
  return std::any_of(rows_.begin(), rows_.end(),
                     [&](Row const& row) { return row.name() == wanted.name(); });
}

void Bench::expect_same(Row& row, Matrix<float> const& got, Matrix<float> const& expected,
                        Closeness closeness, double tolerance, std::string_view of) {
  if (got.rows() != expected.rows() || got.cols() != expected.cols()) {
    row.wrong = "another shape than " + std::string(of);
    return;
  }
  // Sums of numbers of both signs: what they differ by is a share of the usual one.
  double squares = 0;
  double squared_differences = 0;
  double largest = 0;
  std::int64_t const count = got.rows() * got.cols();
  std::int64_t finite = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    double const y = expected.data()[i];
    squares += std::isfinite(y) ? y * y : 0;
    finite += std::isfinite(y) ? 1 : 0;
  }
  double const usual = std::sqrt(squares / static_cast<double>(std::max<std::int64_t>(finite, 1)));
  for (std::int64_t i = 0; i < count; ++i) {
    double const x = got.data()[i];
    double const y = expected.data()[i];
    double const difference = x == y ? 0 : std::abs(x - y);
    squared_differences += difference * difference;
    double const share = difference / std::max(usual, std::abs(y));
    largest = std::isnan(share) && difference != 0 ? HUGE_VAL : std::max(largest, share);
  }
  double const apart =
      closeness == Closeness::norm ? std::sqrt(squared_differences / squares) : largest;
  if (!(apart <= tolerance)) {
    row.wrong = "differs by " + std::to_string(apart) + " from " + std::string(of) +
                ", expected at most " + std::to_string(tolerance);
  }
}

void Bench::run_case(Row row, std::function<void()> const& op,
                     std::function<Matrix<float>()> const& expected, Closeness closeness,
                     std::int64_t result_rows, Download const& download) {
  std::string const key = row.name();
  if (!wants(row) || has(row.work, row.by)) {
    return;
  }
  op();
  if (checks_) {
    expect_same(row, download(1), expected(), closeness,
                tolerance_on_host(problem_.dtype, closeness), "the host's");
    wrong_[key] = row.wrong;
    return;
  }
  row.wrong = wrong_.contains(key) ? wrong_[key] : "was not compared with the host's";
  auto got = download(std::max(result_rows / compared_rows, std::int64_t{1}));
  if (auto const first = first_of_.find(row.work); first == first_of_.end()) {
    first_of_.emplace(row.work, std::move(got));
  } else if (row.wrong.empty()) {
    expect_same(row, got, first->second, closeness,
                tolerance_among_cases(problem_.dtype, closeness), "the first");
  }
  row.seconds = time(op);
  add(std::move(row));
}

std::vector<double> Bench::time(std::function<void()> const& op) {
  cudaStream_t const stream = stream_.get();
  auto const time_once = [&](std::size_t i) {
    // What an earlier run left in the cache must not serve this one. It also keeps the device busy
    // while the host gets ahead, so that the events do not count the time of launches.
    if (!flush_.empty()) {
      check("cudaMemsetAsync", cudaMemsetAsync(flush_.data(), static_cast<int>(i & 1),
                                               static_cast<std::size_t>(flush_.size()), stream));
    }
    check("cudaEventRecord", cudaEventRecord(events_[2 * i], stream));
    op();
    check("cudaEventRecord", cudaEventRecord(events_[2 * i + 1], stream));
  };
  auto const seconds_of = [&](std::size_t i) {
    float milliseconds = 0;
    check("cudaEventElapsedTime",
          cudaEventElapsedTime(&milliseconds, events_[2 * i], events_[2 * i + 1]));
    return static_cast<double>(milliseconds) * 1e-3;
  };
  time_once(0);  // to warm up, and to see how many fit
  synchronize(context());
  auto const most = events_.size() / 2;
  auto const fitting = static_cast<std::size_t>(
      std::min(settings_.seconds / std::max(seconds_of(0), 1e-9), static_cast<double>(most)));
  std::size_t const repeats = std::clamp(fitting, std::min<std::size_t>(5, most), most);
  for (std::size_t i = 0; i < repeats; ++i) {
    time_once(i);
  }
  synchronize(context());
  std::vector<double> seconds;
  for (std::size_t i = 0; i < repeats; ++i) {
    seconds.push_back(seconds_of(i));
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

}  // namespace relweave::bench
