#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include <pybind11/stl.h>

#include <relweave/core/buffer.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/core/error.hpp>

#include "device_array.hpp"

/// Bindings that run where Python says, each written once for both contexts.
namespace relweave::python {

/// The number, among devices, of the CPU.
inline constexpr int cpu_number = -1;

/// Calls f(ctx), without the interpreter's lock, with a stream and a workspace of its own on a CUDA
/// device; the work is done when this returns.
template <typename F>
void with_device(int threads, int device, F const& f) {
  py::gil_scoped_release const release;
  OwnedStream const stream(device);
  DeviceGuard const guard(device);
  DeviceWorkspace workspace(Growth::on_demand);
  CudaContext const ctx{.device = device,
                        .stream = stream.get(),
                        .workspace = &workspace,
                        .host = {.threads = threads}};
  f(ctx);
  synchronize(ctx);
}

/// The same on the CPU, or on a device.
template <typename F>
void with_context(int threads, int device, F const& f) {
  if (device != cpu_number) {
    with_device(threads, device, f);
    return;
  }
  py::gil_scoped_release const release;
  f(HostContext{.threads = threads});
}

/// A matrix argument: of NumPy, or on a device.
using AnyMatrix = std::variant<Array<float>, DeviceArray>;

inline bool on_device(AnyMatrix const& m) {
  return std::holds_alternative<DeviceArray>(m);
}
inline std::int64_t rows_of(AnyMatrix const& m) {
  return on_device(m) ? std::get<DeviceArray>(m).rows() : matrix_of(std::get<Array<float>>(m)).rows;
}

/// A matrix argument where the call's work reads it; an absent one is an empty view. What was given
/// must live as long as this.
template <Space S>
class Input;

template <>
class Input<Space::host> {
 public:
  Input(HostContext const&, AnyMatrix const& given) {
    if (on_device(given)) {
      raise<DeviceError>("Input", "matrix", "one on a device", "one of the CPU");
    }
    view_ = matrix_of(std::get<Array<float>>(given));
  }
  Input(HostContext const& ctx, std::optional<AnyMatrix> const& given)
      : Input(given ? Input(ctx, *given) : Input()) {}
  MatrixView<float const> view() const { return view_; }

 private:
  Input() = default;
  MatrixView<float const> view_;
};

template <>
class Input<Space::device> {
 public:
  Input(CudaContext const& ctx, AnyMatrix const& given) {
    if (on_device(given)) {
      auto const& array = std::get<DeviceArray>(given);
      if (array.device() != ctx.device) {
        raise<DeviceError>("Input", "matrix", "one on device " + std::to_string(array.device()),
                           "one on device " + std::to_string(ctx.device));
      }
      view_ = array.floats();
      return;
    }
    auto const host = matrix_of(std::get<Array<float>>(given));
    uploaded_ = Matrix<float, Space::device>(host.rows, host.cols);
    copy(ctx, host, uploaded_.view());
    view_ = uploaded_.view();
  }
  Input(CudaContext const& ctx, std::optional<AnyMatrix> const& given)
      : Input(given ? Input(ctx, *given) : Input()) {}
  MatrixView<float const, Space::device> view() const { return view_; }

 private:
  Input() = default;
  Matrix<float, Space::device> uploaded_;
  MatrixView<float const, Space::device> view_;
};

/// A matrix that a call writes where it runs: for Python a DeviceArray if it `stays` there,
/// otherwise an array of NumPy.
template <typename T>
class Output {
 public:
  Output(std::int64_t rows, std::int64_t cols, bool stays)
      : rows_(rows), cols_(cols), stays_(stays) {
    if (!stays) {
      host_ = new_matrix<T>(rows, cols);
      host_view_ = mutable_matrix_of(host_);
    }
  }

  MatrixView<T> view(HostContext const&) const { return host_view_; }
  MatrixView<T, Space::device> view(CudaContext const& ctx) {
    number_ = ctx.device;
    device_ = Matrix<T, Space::device>(rows_, cols_);
    return device_.view();
  }
  void finish(HostContext const&) const {}
  void finish(CudaContext const& ctx) const {
    if (!stays_) {
      copy(ctx, device_.view(), host_view_);
    }
  }
  py::object take() {
    return stays_ ? py::cast(DeviceArray(number_, std::move(device_))) : py::object(host_);
  }

 private:
  std::int64_t rows_;
  std::int64_t cols_;
  bool stays_;
  Array<T> host_;
  MatrixView<T> host_view_;
  Matrix<T, Space::device> device_;
  int number_ = cpu_number;
};

}  // namespace relweave::python
