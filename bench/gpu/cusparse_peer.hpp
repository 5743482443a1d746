#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include <bench.hpp>

#include <relweave/ops/relation_aggregate/device_csr.hpp>

namespace relweave::bench {

enum class Pass { forward, backward };
enum class SpmmAlgorithm { alg2, alg3 };
inline constexpr std::array spmm_algorithms{SpmmAlgorithm::alg2, SpmmAlgorithm::alg3};

constexpr std::string_view name_of(SpmmAlgorithm algorithm) {
  return algorithm == SpmmAlgorithm::alg2 ? "cuSPARSE ALG2" : "cuSPARSE ALG3";
}

/// Why there is no cuSPARSE to compare with; empty when there is.
std::string spmm_missing();

/// Sums over all relations at once as cuSPARSE's product of the graph's matrix, or its transpose,
/// with a dense one. Whatever depends on the graph alone is done on construction: offsets of 32
/// bits, values (ones, or one over the degree), descriptors, buffer and preprocessing.
class Spmm {
 public:
  /// Throws NotCompiledError where cuSPARSE does not support the product, CudaError where it fails.
  template <typename T>
  Spmm(Bench& bench, ops::DeviceCsr const& csr, Reduce reduce, Pass pass, SpmmAlgorithm algorithm,
       MatrixView<T, Space::device> x, MatrixView<T, Space::device> out)
      : Spmm(bench, csr, reduce, pass, algorithm, sizeof(T) == 2, x.data, x.rows, out.data,
             out.rows, x.cols) {}
  ~Spmm();
  void run() const;

 private:
  struct State;
  Spmm(Bench& bench, ops::DeviceCsr const& csr, Reduce reduce, Pass pass, SpmmAlgorithm algorithm,
       bool bf16, void* x, std::int64_t x_rows, void* out, std::int64_t out_rows, std::int64_t d);

  std::unique_ptr<State> state_;
};

}  // namespace relweave::bench
