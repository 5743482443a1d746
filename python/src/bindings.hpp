#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <relweave/core/buffer.hpp>
#include <relweave/core/error.hpp>
#include <relweave/core/types.hpp>
#include <relweave/core/views.hpp>

namespace relweave::python {

namespace py = pybind11;

/// C-contiguous arrays of exactly this type. The Python faces convert and check; a wrong array that
/// reaches this module raises TypeError rather than being copied silently.
template <typename T>
using Array = py::array_t<T, py::array::c_style>;

template <typename T>
VectorView<T const> vector_of(Array<T> const& a) {
  return {a.data(), a.size()};
}

template <typename T>
VectorView<T> mutable_vector_of(Array<T>& a) {
  return {a.mutable_data(), a.size()};
}

template <typename T>
MatrixView<T const> matrix_of(Array<T> const& a) {
  if (a.ndim() != 2) {
    return {a.data(), a.size() == 0 ? 0 : 1, a.size()};
  }
  return {a.data(), a.shape(0), a.shape(1)};
}

template <typename T>
MatrixView<T> mutable_matrix_of(Array<T>& a) {
  return {a.mutable_data(), a.shape(0), a.shape(1)};
}

/// Uninitialised, on cache lines and in large pages: NumPy's own arrays start at any multiple of 16
/// bytes, and rows that do not start on a line cost an aggregation a tenth.
template <typename T>
Array<T> new_matrix(std::int64_t rows, std::int64_t cols) {
  auto buffer = std::make_unique<Buffer<T>>(rows * cols);
  T* const data = buffer->data();
  py::capsule const owner(buffer.get(), [](void* p) { delete static_cast<Buffer<T>*>(p); });
  buffer.release();
  return Array<T>({rows, cols}, data, owner);
}

template <typename T>
Array<T> copy_of(VectorView<T const> v) {
  Array<T> result(v.size);
  std::copy_n(v.data, v.size, result.mutable_data());
  return result;
}

template <typename T>
Array<T> copy_of(MatrixView<T const> m) {
  Array<T> result = new_matrix<T>(m.rows, m.cols);
  for (std::int64_t r = 0; r < m.rows; ++r) {
    std::copy_n(m.row_data(r), m.cols, result.mutable_data() + r * m.cols);
  }
  return result;
}

/// Lets pickle, copy.deepcopy and multiprocessing refuse a class with what to do instead.
template <typename Class>
void refuse_pickle(Class& c, char const* name, char const* remedy) {
  c.def("__reduce_ex__", [name, remedy](py::object const&, int) -> py::object {
    raise<DTypeError>(name, "pickle", "an object in the memory of C++", "what pickle can copy",
                      remedy);
  });
}

void bind_errors(py::module_& m);
void bind_profile(py::module_& m);
void bind_model(py::module_& m);

}  // namespace relweave::python
