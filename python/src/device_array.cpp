#include "device_array.hpp"

#include <array>

#include <relweave/core/error.hpp>
#include <relweave/ops/gather_rows/gather_rows.hpp>

#include "device_context.hpp"
#include "dlpack.hpp"

namespace relweave::python {

namespace {

using dlpack::ManagedTensor;
using dlpack::ManagedTensorVersioned;

/// Gives an array back to the library that it came from, wherever the last view of it ends.
template <typename Managed>
void release(Managed* managed) {
  if (managed->deleter != nullptr && Py_IsInitialized() != 0) {
    py::gil_scoped_acquire const gil;  // a deleter may be Python's
    py::error_scope const error;
    managed->deleter(managed);
  }
}

/// What the producer hands out once `stream` may read it. Producers differ in the arguments that
/// they know.
py::object capsule_of(py::object const& producer, CudaStream stream) {
  auto const ask = producer.attr("__dlpack__");
  auto const number = reinterpret_cast<std::uintptr_t>(stream);
  py::tuple const newest = py::make_tuple(dlpack::version.major, dlpack::version.minor);
  try {
    return ask(py::arg("stream") = number, py::arg("max_version") = newest);
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_TypeError)) {
      throw;
    }
  }
  try {
    return ask(py::arg("stream") = number);
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_TypeError)) {
      throw;
    }
  }
  return ask();
}

/// The tensor of a capsule, which is ours from now on.
template <typename Managed>
std::shared_ptr<Managed> take_over(py::object const& capsule) {
  if (PyCapsule_IsValid(capsule.ptr(), Managed::name) == 0) {
    return nullptr;
  }
  auto* const managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule.ptr(), Managed::name));
  PyCapsule_SetName(capsule.ptr(), Managed::used_name);
  return {managed, &release<Managed>};
}

std::string dtype_text(dlpack::DataType const& t) {
  return "DLPack type code " + std::to_string(t.code) + " of " + std::to_string(t.bits) + " bits" +
         (t.lanes == 1 ? "" : " in " + std::to_string(t.lanes) + " lanes");
}

std::string list_text(std::int64_t const* values, std::int32_t count) {
  std::string text = "(";
  for (std::int32_t i = 0; i < count; ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(values[i]);
  }
  return text + (count == 1 ? ",)" : ")");
}

/// Throws unless the tensor is a float32 matrix on the device, each row in one piece.
void expect_matrix(dlpack::Tensor const& t, int device, std::string const& function,
                   std::string const& argument) {
  if (t.device.type != dlpack::cuda_device || t.device.id != device) {
    raise<DeviceError>(function, argument,
                       "memory of DLPack device (" + std::to_string(t.device.type) + ", " +
                           std::to_string(t.device.id) + ")",
                       "that of cuda:" + std::to_string(device));
  }
  constexpr auto floating = static_cast<std::uint8_t>(dlpack::TypeCode::floating_point);
  if (t.dtype.code != floating || t.dtype.bits != 32 || t.dtype.lanes != 1) {
    raise<DTypeError>(function, argument, dtype_text(t.dtype), "float32",
                      "Convert it there first.");
  }
  if (t.ndim != 2) {
    raise<ShapeError>(function, argument, std::to_string(t.ndim) + " dimensions", "2");
  }
  if ((reinterpret_cast<std::uintptr_t>(t.data) + t.byte_offset) % alignof(float) != 0) {
    raise<DTypeError>(function, argument, "an address between two numbers", "float32, aligned");
  }
  bool const strided = t.strides != nullptr && t.shape[0] > 0 && t.shape[1] > 0;
  bool const whole_rows = !strided || t.shape[1] == 1 || t.strides[1] == 1;
  bool const apart = !strided || t.shape[0] == 1 || t.strides[0] >= t.shape[1];
  if (!whole_rows || !apart) {
    raise<ShapeError>(function, argument, "strides " + list_text(t.strides, 2),
                      "C-contiguous rows of " + std::to_string(t.shape[1]) + " elements",
                      "Make it contiguous first.");
  }
}

}  // namespace

DeviceArray DeviceArray::from_dlpack(py::object const& producer, int device,
                                     std::string const& function, std::string const& argument) {
  OwnedStream const stream(device);
  py::object const capsule = capsule_of(producer, stream.get());
  DeviceArray result;
  dlpack::Tensor const* tensor = nullptr;
  if (auto const versioned = take_over<ManagedTensorVersioned>(capsule)) {
    if (versioned->version.major != dlpack::version.major) {
      raise<DTypeError>(function, argument,
                        "DLPack version " + std::to_string(versioned->version.major),
                        "version " + std::to_string(dlpack::version.major) + " or older");
    }
    tensor = &versioned->tensor;
    result.owner_ = versioned;
  } else if (auto const legacy = take_over<ManagedTensor>(capsule)) {
    tensor = &legacy->tensor;
    result.owner_ = legacy;
  } else {
    raise<DTypeError>(function, argument, std::string(py::repr(capsule)),
                      "a capsule of DLPack from __dlpack__");
  }
  expect_matrix(*tensor, device, function, argument);
  result.data_ = static_cast<std::byte*>(tensor->data) + tensor->byte_offset;
  result.rows_ = tensor->shape[0];
  result.cols_ = tensor->shape[1];
  bool const strided = tensor->strides != nullptr && result.rows_ > 1 && result.cols_ > 0;
  result.stride_ = strided ? tensor->strides[0] : result.cols_;
  result.device_ = device;
  {
    py::gil_scoped_release const unlocked;
    synchronize({.device = device, .stream = stream.get()});
  }
  return result;
}

DeviceArray DeviceArray::upload(Array<float> const& host, int device) {
  Matrix<float, Space::device> there;
  with_device(1, device, [&](CudaContext const& ctx) {
    auto const from = matrix_of(host);
    there = Matrix<float, Space::device>(from.rows, from.cols);
    relweave::copy(ctx, from, there.view());
  });
  return {device, std::move(there)};
}

template <typename Managed>
py::capsule DeviceArray::export_as(Managed managed) const {
  struct Exported {
    DeviceArray array;
    std::array<std::int64_t, 2> shape;
    std::array<std::int64_t, 2> strides;
    Managed managed;
  };
  auto owned = std::make_unique<Exported>(
      Exported{*this, {rows_, cols_}, {stride_, std::int64_t{1}}, managed});
  using dlpack::TypeCode;
  auto const code = type_ == Type::float32 ? TypeCode::floating_point : TypeCode::signed_integer;
  owned->managed.tensor = {.data = data_,
                           .device = {dlpack::cuda_device, device_},
                           .ndim = 2,
                           .dtype = {static_cast<std::uint8_t>(code), 32, 1},
                           .shape = owned->shape.data(),
                           .strides = owned->strides.data(),
                           .byte_offset = 0};
  owned->managed.context = owned.get();
  owned->managed.deleter = [](Managed* m) { delete static_cast<Exported*>(m->context); };
  py::capsule capsule(&owned->managed, Managed::name, [](PyObject* object) {
    if (PyCapsule_IsValid(object, Managed::name) != 0) {  // nobody took it over
      auto* const m = static_cast<Managed*>(PyCapsule_GetPointer(object, Managed::name));
      m->deleter(m);
    }
  });
  static_cast<void>(owned.release());
  return capsule;
}

py::capsule DeviceArray::to_dlpack(bool versioned, bool copied) const {
  if (versioned) {
    return export_as(ManagedTensorVersioned{.version = dlpack::version,
                                            .context = nullptr,
                                            .deleter = nullptr,
                                            .flags = copied ? dlpack::is_copied : 0,
                                            .tensor = {}});
  }
  return export_as(ManagedTensor{});
}

py::object DeviceArray::to_numpy() const {
  return with_view([&]<typename T>(MatrixView<T const, Space::device> from) -> py::object {
    Array<T> host = new_matrix<T>(rows_, cols_);
    auto const to = mutable_matrix_of(host);
    with_device(1, device_, [&](CudaContext const& ctx) { relweave::copy(ctx, from, to); });
    return host;
  });
}

DeviceArray DeviceArray::copy() const {
  return with_view([&]<typename T>(MatrixView<T const, Space::device> from) -> DeviceArray {
    Matrix<T, Space::device> there;
    with_device(1, device_, [&](CudaContext const& ctx) {
      there = Matrix<T, Space::device>(rows_, cols_);
      relweave::copy(ctx, from, there.view());
    });
    return {device_, std::move(there)};
  });
}

DeviceArray DeviceArray::take(Array<NodeId> const& rows) const {
  Matrix<float, Space::device> there;
  with_device(1, device_, [&](CudaContext const& ctx) {
    ops::DeviceIndices const indices(ctx, vector_of(rows), rows_);
    there = Matrix<float, Space::device>(indices.size(), cols_);
    ops::gather_rows<float>(ctx, floats(), indices.view(), there.view());
  });
  return {device_, std::move(there)};
}

void bind_device(py::module_& m) {
  py::class_<DeviceArray> array(m, "DeviceArray");
  refuse_pickle(array, "DeviceArray", "Pickle what numpy() returns.");
  array
      .def_static("from_dlpack", &DeviceArray::from_dlpack, py::arg("producer"), py::kw_only(),
                  py::arg("device"), py::arg("function"), py::arg("argument"))
      .def_static("upload", &DeviceArray::upload, py::arg("host"), py::kw_only(), py::arg("device"))
      .def("to_dlpack", &DeviceArray::to_dlpack, py::kw_only(), py::arg("versioned"),
           py::arg("copied"))
      .def("numpy", &DeviceArray::to_numpy)
      .def("copy", &DeviceArray::copy)
      .def("take", &DeviceArray::take, py::arg("rows"))
      .def_property_readonly(
          "shape", [](DeviceArray const& a) { return py::make_tuple(a.rows(), a.cols()); })
      .def_property_readonly("dtype",
                             [](DeviceArray const& a) {
                               return a.type() == DeviceArray::Type::float32 ? "float32" : "int32";
                             })
      .def_property_readonly("device", &DeviceArray::device);
  m.def("cuda_compiled", &cuda_compiled);
  m.def("cuda_device_count", &cuda_device_count);
}

}  // namespace relweave::python
