#include <pybind11/stl.h>

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include <relweave/io/checkpoint.hpp>
#include <relweave/io/safetensors.hpp>

#include "graph_arrays.hpp"

namespace relweave::python {

namespace {

/// Name, the format's name of the element type, a contiguous array of that type.
using NamedArray = std::tuple<std::string, std::string, py::array>;

void write_safetensors(std::string const& path, std::vector<NamedArray> const& tensors,
                       std::map<std::string, std::string> const& metadata) {
  io::SafetensorsWriter writer;
  for (auto const& [name, dtype, array] : tensors) {
    writer.add(io::TensorInfo{.name = name,
                              .dtype = io::dtype_of_name(dtype),
                              .shape = {array.shape(), array.shape() + array.ndim()},
                              .bytes = {static_cast<std::byte const*>(array.data()),
                                        static_cast<std::size_t>(array.nbytes())}});
  }
  for (auto const& [key, value] : metadata) {
    writer.set_metadata(key, value);
  }
  py::gil_scoped_release const release;
  writer.write(path);
}

/// Names, types, shapes and copies of the bytes, and the metadata.
py::tuple read_safetensors(std::string const& path) {
  auto const reader = [&] {
    py::gil_scoped_release const release;
    return io::SafetensorsReader(path);
  }();
  py::list tensors;
  for (io::TensorInfo const& t : reader.tensors()) {
    auto const* const bytes = reinterpret_cast<std::uint8_t const*>(t.bytes.data());
    tensors.append(
        py::make_tuple(t.name, std::string(io::dtype_name(t.dtype)), t.shape,
                       copy_of(VectorView<std::uint8_t const>(bytes, std::ssize(t.bytes)))));
  }
  return py::make_tuple(tensors, reader.metadata());
}

}  // namespace

void bind_io(py::module_& m) {
  m.def(
      "expect_checkpoint_place",
      [](std::string const& path) {
        py::gil_scoped_release const release;
        io::CheckpointWriter::expect_place(path);
      },
      py::arg("path"));
  m.def("write_safetensors", &write_safetensors, py::arg("path"), py::arg("tensors"),
        py::arg("metadata"));
  m.def("read_safetensors", &read_safetensors, py::arg("path"));
}

}  // namespace relweave::python
