#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <relweave/core/buffer.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

#include "bindings.hpp"

namespace relweave::python {

/// A matrix on a CUDA device that outlives the call that made it: a result of ours, or an array of
/// another library. Its values are complete, so whoever reads them has nothing to wait for. Cheap
/// to copy: copies share the memory.
class DeviceArray {
 public:
  enum class Type { float32, int32 };

  template <typename T>
  DeviceArray(int device, Matrix<T, Space::device>&& matrix)
      : type_(std::is_same_v<T, float> ? Type::float32 : Type::int32), device_(device) {
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, NodeId>);
    auto const owner = std::make_shared<Matrix<T, Space::device>>(std::move(matrix));
    data_ = owner->data();
    rows_ = owner->rows();
    cols_ = owner->cols();
    stride_ = cols_;
    owner_ = owner;
  }

  /// Takes over the float32 matrix that `producer.__dlpack__` hands out, on `device`, and waits
  /// until its values are there. `function` and `argument` are for messages. Throws DeviceError,
  /// DTypeError, ShapeError, and what the producer raises.
  static DeviceArray from_dlpack(py::object const& producer, int device,
                                 std::string const& function, std::string const& argument);
  static DeviceArray upload(Array<float> const& host, int device);

  /// A capsule that shares the memory.
  py::capsule to_dlpack(bool versioned, bool copied) const;
  py::object to_numpy() const;
  DeviceArray copy() const;
  /// Rows in another order.
  DeviceArray take(Array<NodeId> const& rows) const;

  Type type() const { return type_; }
  int device() const { return device_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t cols() const { return cols_; }
  MatrixView<float const, Space::device> floats() const {
    return {static_cast<float const*>(data_), rows_, cols_, stride_};
  }

 private:
  DeviceArray() = default;
  template <typename T>
  MatrixView<T const, Space::device> view() const {
    return {static_cast<T const*>(data_), rows_, cols_, stride_};
  }
  /// Calls f(view) with the view of the element type.
  template <typename F>
  auto with_view(F const& f) const {
    return type_ == Type::float32 ? f(view<float>()) : f(view<NodeId>());
  }
  template <typename Managed>
  py::capsule export_as(Managed managed) const;

  std::shared_ptr<void const> owner_;
  void* data_ = nullptr;
  std::int64_t rows_ = 0;
  std::int64_t cols_ = 0;
  std::int64_t stride_ = 0;
  Type type_ = Type::float32;
  int device_ = 0;
};

void bind_device(py::module_& m);

}  // namespace relweave::python
