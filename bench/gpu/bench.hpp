#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <relweave/core/bfloat16.hpp>
#include <relweave/core/buffer.hpp>
#include <relweave/core/cuda.hpp>

// A small harness for work on a device: no Google Benchmark, because the time that counts is that
// between two events on the stream.

namespace relweave::bench {

/// Throws CudaError unless a call of the CUDA runtime succeeded.
void check(std::string_view call, cudaError_t status);

/// What one run moves and computes, as the formulas beside the cases have it: what the algorithm
/// must read and write, caches and sectors left out.
struct Cost {
  double edges = 0;
  double bytes = 0;
  double operations = 0;  ///< of matrix products
};

/// How close a result must be: each element, or, where rounding decides who wins a maximum and with
/// it where a gradient goes, all of them together.
enum class Closeness { elements, norm };

/// The input of a group of cases.
struct Problem {
  std::string workload;
  std::int64_t d = 0;  ///< 0: the workload's name tells all sizes
  std::string dtype;
  std::vector<std::int64_t> sizes;  ///< as measured, of inputs that are no graph
};

/// One line of the report. `work` is what is computed, `by` who does it and how; the first of a
/// work that runs is the one that others are compared with.
struct Row {
  std::string work, by;
  Problem problem;
  Cost cost;
  std::vector<double> seconds;  ///< ascending
  std::string skipped;          ///< why there are no seconds
  std::string wrong;            ///< why it counts as failed

  std::string name() const;
};

struct Settings {
  double scale = 1;  ///< of the workloads' sizes
  std::vector<std::int64_t> dims = {32, 64, 128, 256};
  std::vector<std::string> dtypes = {"float", "bfloat16"};
  std::string filter;    ///< names that contain it
  int repeats = 30;      ///< at most
  double seconds = 0.2;  ///< for the repeats of a case, of which there are five at least
};

class Bench {
 public:
  explicit Bench(Settings const& settings);
  ~Bench();
  Bench(Bench const&) = delete;
  Bench& operator=(Bench const&) = delete;

  Settings const& settings() const { return settings_; }
  CudaContext context() { return {.stream = stream_.get(), .workspace = &workspace_}; }
  void reserve(std::int64_t bytes) { workspace_.reserve(bytes); }

  /// Bytes per second of a copy from device memory to device memory, reads and writes counted.
  double copy_bandwidth();

  /// Runs `f` on a small input first, where all results are compared with the host's, then times it
  /// on the large one. `f(checks)` calls `run` for every case of a group.
  void measure(Problem const& problem, std::function<void(bool checks)> const& f);

  /// One case: `op` puts the work on the context's stream and leaves a result on the device;
  /// `expected` computes it on the host, and is called for small inputs alone.
  template <typename T>
  void run(std::string_view work, std::string_view by, Cost const& cost,
           std::function<void()> const& op, MatrixView<T const, Space::device> result,
           std::function<Matrix<float>()> const& expected,
           Closeness closeness = Closeness::elements) {
    run_case({.work = std::string(work), .by = std::string(by), .problem = problem_, .cost = cost},
             op, expected, closeness, result.rows,
             [=, this](std::int64_t step) { return rows_of<T>(result, step); });
  }
  /// A case that cannot run here, be it on the small input alone.
  void skip(std::string_view work, std::string_view by, std::string const& why);
  /// A case that should have run.
  void fail(std::string_view work, std::string_view by, std::string const& why);
  bool has(std::string_view work, std::string_view by) const;
  bool wants(std::string_view work, std::string_view by) const { return wants(work, by, problem_); }

  /// What was asked for: a filter may name one case of a group.
  bool wants(Row const& row) const;
  bool wants(std::string_view work, std::string_view by, Problem const& problem) const {
    return wants({.work = std::string(work), .by = std::string(by), .problem = problem});
  }

  std::vector<Row> const& rows() const { return rows_; }
  std::int64_t flushed_bytes() const { return flush_.size(); }

 private:
  using Download = std::function<Matrix<float>(std::int64_t step)>;

  void run_case(Row row, std::function<void()> const& op,
                std::function<Matrix<float>()> const& expected, Closeness closeness,
                std::int64_t result_rows, Download const& download);
  void expect_same(Row& row, Matrix<float> const& got, Matrix<float> const& expected,
                   Closeness closeness, double tolerance, std::string_view of);
  std::vector<double> time(std::function<void()> const& op);

  void add(Row row);

  /// Every step-th row as float.
  template <typename T>
  Matrix<float> rows_of(MatrixView<T const, Space::device> from, std::int64_t step) {
    std::int64_t const rows = (from.rows + step - 1) / step;
    Matrix<T> stored(rows, from.cols);
    copy(context(),
         MatrixView<T const, Space::device>(from.data, rows, from.cols, from.stride * step),
         stored.view());
    synchronize(context());
    Matrix<float> to(rows, from.cols);
    for (std::int64_t i = 0; i < rows * from.cols; ++i) {
      to.data()[i] = static_cast<float>(stored.data()[i]);
    }
    return to;
  }

  Settings settings_;
  OwnedStream stream_;
  DeviceWorkspace workspace_;
  Buffer<std::byte, Space::device> flush_;
  std::vector<cudaEvent_t> events_;

  Problem problem_;
  bool checks_ = false;
  std::map<std::string, std::string> wrong_;  // per case of the problem, found on the small input
  std::map<std::string, Matrix<float>> first_of_;  // per work of the problem: rows of a result
  std::vector<Row> rows_;
};

}  // namespace relweave::bench
