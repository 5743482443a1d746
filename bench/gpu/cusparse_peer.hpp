#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <bench.hpp>

#include <relweave/ops/relation_aggregate/device_csr.hpp>

namespace relweave::bench {

enum class Pass { forward, backward };

/// ALG2 alone: ALG3 writes out of bounds where a row has more edges than there are columns.
inline constexpr std::string_view spmm_name = "cuSPARSE ALG2";

/// Why there is no cuSPARSE to compare with; empty when there is.
std::string spmm_missing();

/// Sums over all relations at once as cuSPARSE's product of the graph's matrix, or its transpose,
/// with a dense one. Whatever depends on the graph alone is done on construction: offsets of 32
/// bits, values (ones, or one over the degree), descriptors, buffer and preprocessing.
class Spmm {
 public:
  /// Throws NotCompiledError where cuSPARSE does not support the product, CudaError where it fails.
  template <typename T>
  Spmm(Bench& bench, ops::DeviceCsr const& csr, Reduce reduce, Pass pass,
       MatrixView<T, Space::device> x, MatrixView<T, Space::device> out)
      : Spmm(bench, csr, reduce, pass, sizeof(T) == 2, x.data, x.rows, out.data, out.rows, x.cols) {
  }
  ~Spmm();
  void run() const;

 private:
  struct State;
  Spmm(Bench& bench, ops::DeviceCsr const& csr, Reduce reduce, Pass pass, bool bf16, void* x,
       std::int64_t x_rows, void* out, std::int64_t out_rows, std::int64_t d);

  std::unique_ptr<State> state_;
};

}  // namespace relweave::bench
