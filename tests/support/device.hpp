#pragma once

#include <cstdint>

#include <relweave/core/buffer.hpp>
#include <relweave/core/cuda.hpp>

#include <support/rounded.hpp>

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

}  // namespace relweave::test
