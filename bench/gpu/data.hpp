#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <bench.hpp>

#include <workloads.hpp>

namespace relweave::bench {

template <typename T>
using DeviceMatrix = Matrix<T, Space::device>;

template <typename T>
std::vector<T> stored_as(Matrix<float> const& from) {
  std::vector<T> to;
  std::transform(from.data(), from.data() + from.rows() * from.cols(), std::back_inserter(to),
                 [](float x) { return static_cast<T>(x); });
  return to;
}

template <typename T>
Buffer<T, Space::device> upload(Bench& bench, std::vector<T> const& from) {
  Buffer<T, Space::device> to(std::ssize(from));
  copy(bench.context(), VectorView<T const>{from.data(), std::ssize(from)}, to.view());
  synchronize(bench.context());
  return to;
}

/// Numbers in [-1, 1) that repeat after a million, an odd one, so that rows differ.
template <typename T>
DeviceMatrix<T> make_device_matrix(Bench& bench, std::int64_t rows, std::int64_t cols,
                                   std::uint64_t seed) {
  constexpr std::int64_t period = (1 << 20) - 3;
  std::int64_t const size = rows * cols;
  DeviceMatrix<T> m(rows, cols);
  VectorView<T, Space::device> const all{m.data(), size};
  std::int64_t done = std::min(size, period);
  auto const values = stored_as<T>(make_matrix<float>(1, done, seed));
  copy(bench.context(), VectorView<T const>{values.data(), done}, all.slice(0, done));
  while (done < size) {
    std::int64_t const more = std::min(done, size - done);
    copy(bench.context(), VectorView<T const, Space::device>(all.slice(0, more)),
         all.slice(done, more));
    done += more;
  }
  synchronize(bench.context());
  return m;
}

/// Every byte of a contiguous matrix the same.
template <typename T>
void fill_bytes(Bench& bench, MatrixView<T, Space::device> m, int byte) {
  auto const bytes = static_cast<std::size_t>(m.rows * m.cols) * sizeof(T);
  if (bytes > 0) {
    check("cudaMemsetAsync", cudaMemsetAsync(m.data, byte, bytes, bench.context().stream));
  }
}
template <typename T>
void clear(Bench& bench, DeviceMatrix<T>& m) {
  fill_bytes(bench, m.view(), 0);
}
/// NaN everywhere, so that a case cannot pass with what the one before it left.
template <typename T>
void spoil(Bench& bench, DeviceMatrix<T>& m) {
  fill_bytes(bench, m.view(), 0xFF);
}

template <typename T>
DeviceMatrix<T> make_zeros(Bench& bench, std::int64_t rows, std::int64_t cols) {
  DeviceMatrix<T> m(rows, cols);
  clear(bench, m);
  return m;
}

/// What the device holds, as float. For small inputs.
template <typename T>
Matrix<float> on_host(Bench& bench, DeviceMatrix<T> const& from) {
  Matrix<T> stored(from.rows(), from.cols());
  copy(bench.context(), from.view(), stored.view());
  synchronize(bench.context());
  Matrix<float> to(from.rows(), from.cols());
  std::transform(stored.data(), stored.data() + from.rows() * from.cols(), to.data(),
                 [](T x) { return static_cast<float>(x); });
  return to;
}

template <typename T>
VectorView<T const, Space::device> as_vector(DeviceMatrix<T> const& m) {
  return {m.data(), m.rows() * m.cols()};
}
template <typename T>
VectorView<T, Space::device> as_vector(DeviceMatrix<T>& m) {
  return {m.data(), m.rows() * m.cols()};
}
inline VectorView<float> as_vector(Matrix<float>& m) {
  return {m.data(), m.rows() * m.cols()};
}
inline VectorView<float const> as_vector(Matrix<float> const& m) {
  return {m.data(), m.rows() * m.cols()};
}
template <typename T>
VectorView<T const> as_vector(std::vector<T> const& v) {
  return {v.data(), std::ssize(v)};
}

template <typename T>
inline constexpr double size_of = sizeof(T);

}  // namespace relweave::bench
