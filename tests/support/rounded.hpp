#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include <relweave/core/bfloat16.hpp>
#include <relweave/core/buffer.hpp>

#include <support/random_graph.hpp>

namespace relweave::test {

/// The same numbers as another type, rounded.
template <typename To, typename From>
Matrix<To> converted(Matrix<From> const& from) {
  Matrix<To> to(from.rows(), from.cols());
  std::transform(from.data(), from.data() + from.rows() * from.cols(), to.data(),
                 [](From x) { return static_cast<To>(static_cast<float>(x)); });
  return to;
}

/// The numbers as T holds them.
template <typename T>
Matrix<float> stored_as(Matrix<float> const& from) {
  return converted<float>(converted<T>(from));
}

/// The largest relative error of rounding to T.
template <typename T>
inline constexpr double rounding = std::is_same_v<T, bfloat16> ? 1.0 / 256 : 1.0 / (1 << 24);

/// Uniform in [-1, 1], as bfloat16 holds it.
inline Matrix<bfloat16> random_bfloat16(std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
  return converted<bfloat16>(random_matrix<float>(rows, cols, seed));
}

/// Every bfloat16, and floats around the middle between it and the next: ties, NaN of any payload,
/// infinities and subnormals among them.
inline std::vector<float> floats_to_round() {
  std::vector<float> floats;
  for (std::uint32_t upper = 0; upper < 0x10000; ++upper) {
    for (std::uint32_t const lower : {0U, 1U, 0x7FFFU, 0x8000U, 0x8001U, 0xFFFFU}) {
      floats.push_back(std::bit_cast<float>(upper << 16 | lower));
    }
  }
  return floats;
}

/// Whether each number is the expected one but for one rounding, and for `sum_error` before it.
inline bool rounded_once(Matrix<bfloat16> const& got, Matrix<double> const& expected,
                         double sum_error) {
  auto const numbers = converted<double>(got);
  return got.rows() == expected.rows() && got.cols() == expected.cols() &&
         std::equal(numbers.data(), numbers.data() + got.rows() * got.cols(), expected.data(),
                    [&](double x, double y) {
                      bool const close =
                          std::abs(x - y) <= rounding<bfloat16> * std::abs(y) + sum_error;
                      return close || x == y || (std::isnan(x) && std::isnan(y));
                    });
}

}  // namespace relweave::test
