#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include <relweave/core/context.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/core/error.hpp>
#include <relweave/core/isa.hpp>
#include <relweave/core/profile.hpp>

#include "bindings.hpp"
#include "device_array.hpp"
#include "graph_arrays.hpp"

namespace relweave::python {

namespace {

/// A message that begins with the name that the class has in Python.
std::string in_python(std::string message) {
  for (auto const& [cpp, python] : {std::pair<std::string_view, std::string_view>{"Sgd", "SGD"},
                                    {"Hgnn", "HGNN"},
                                    {"RecommenderConfig", "Recommender"},
                                    {"DeviceExactIndex", "ExactIndex"},
                                    {"CoInteractionConfig", "GraphConfig"}}) {
    if (message.starts_with(cpp)) {
      return message.replace(0, cpp.size(), python);
    }
  }
  return message;
}

/// Raises the class of relweave.errors that has the C++ error's name.
template <typename E>
bool translate(std::exception_ptr const& p, char const* name) {
  try {
    std::rethrow_exception(p);
  } catch (E const& error) {
    py::object const type = py::module_::import("relweave.errors").attr(name);
    // Messages quote ids and paths, which need not be UTF-8.
    std::string const what = in_python(error.what());
    auto const text = py::reinterpret_steal<py::object>(PyUnicode_DecodeUTF8(
        what.data(), static_cast<Py_ssize_t>(what.size()), "backslashreplace"));
    PyErr_SetObject(type.ptr(), text.ptr());
    return true;
  } catch (...) {
    return false;
  }
}

py::list cuda_devices() {
  py::list devices;
  for (int d = 0; d < cuda_device_count(); ++d) {
    auto const info = cuda_device_info(d);
    py::dict device;
    device["name"] = info.name;
    device["compute_capability"] = std::to_string(info.compute_capability / 10) + "." +
                                   std::to_string(info.compute_capability % 10);
    device["multiprocessors"] = info.multiprocessors;
    device["memory_bytes"] = info.memory_bytes;
    devices.append(device);
  }
  return devices;
}

py::dict show_config() {
  py::dict result;
  result["version"] = RELWEAVE_VERSION_STRING;
  result["isa"] = std::string(isa_name(resolve_isa(Isa::automatic)));
  result["threads"] = default_threads();
  result["cuda"] = cuda_compiled();
  result["cuda_devices"] = cuda_devices();
  return result;
}

}  // namespace

void bind_profile(py::module_& m) {
  m.def("start_profile", &start_profile);
  m.def("stop_profile", [] {
    py::list entries;
    for (ProfileEntry const& entry : stop_profile()) {
      entries.append(py::make_tuple(entry.name, entry.beside, entry.calls, entry.seconds));
    }
    return entries;
  });
}

void bind_errors(py::module_&) {
  py::register_exception_translator([](std::exception_ptr p) {
    bool const known =
        p == nullptr || translate<ShapeError>(p, "ShapeError") ||
        translate<IndexError>(p, "IndexError") || translate<DTypeError>(p, "DTypeError") ||
        translate<DeviceError>(p, "DeviceError") || translate<GraphError>(p, "GraphError") ||
        translate<CudaError>(p, "CudaError") ||
        translate<NotCompiledError>(p, "NotCompiledError") || translate<IoError>(p, "IoError") ||
        translate<ConfigError>(p, "ConfigError") || translate<StoppedError>(p, "StoppedError") ||
        translate<Error>(p, "Error");
    if (!known) {
      std::rethrow_exception(p);
    }
  });
}

}  // namespace relweave::python

PYBIND11_MODULE(_core, m) {
  using namespace relweave::python;
  m.doc() = "The compiled part of relweave. Private: use the package's own modules.";
  m.attr("__version__") = RELWEAVE_VERSION_STRING;
  m.def("show_config", &show_config);
  bind_errors(m);
  bind_profile(m);
  bind_device(m);
  bind_graph(m);
  bind_aggregate(m);
  bind_transform(m);
  bind_nn(m);
  bind_ops(m);
  bind_io(m);
  bind_loss(m);
  bind_metrics(m);
  bind_optim(m);
  bind_retrieval(m);
  bind_sampling(m);
  bind_model(m);
}
