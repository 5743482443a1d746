#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include <relweave/core/bfloat16.hpp>
#include <relweave/core/buffer.hpp>
#include <relweave/core/cuda.hpp>

namespace relweave::test {

/// A stream and a workspace of the device that the tests run on.
class Device {
 public:
  explicit Device(std::int64_t workspace_bytes = std::int64_t{4} << 20)
      : workspace_(workspace_bytes) {}

  CudaContext context() { return {.stream = stream_.get(), .workspace = &workspace_}; }

  template <typename T>
  Matrix<T, Space::device> upload(MatrixView<T const> from) {
    Matrix<T, Space::device> to(from.rows, from.cols);
    copy(context(), from, to.view());
    return to;
  }
  template <typename T>
  Buffer<T, Space::device> upload(VectorView<T const> from) {
    Buffer<T, Space::device> to(from.size);
    copy(context(), from, to.view());
    return to;
  }
  template <typename T>
  Matrix<T> download(MatrixView<T const, Space::device> from) {
    Matrix<T> to(from.rows, from.cols);
    copy(context(), from, to.view());
    synchronize(context());
    return to;
  }
  template <typename T>
  Buffer<T> download(VectorView<T const, Space::device> from) {
    Buffer<T> to(from.size);
    copy(context(), from, to.view());
    synchronize(context());
    return to;
  }
  template <typename T>
  Buffer<T> download(Buffer<T, Space::device> const& from) {
    return download(from.view());
  }

 private:
  OwnedStream stream_;
  DeviceWorkspace workspace_;
};

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

}  // namespace relweave::test
