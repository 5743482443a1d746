#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/error.hpp>
#include <relweave/graph/co_interaction.hpp>
#include <relweave/io/vocabulary.hpp>
#include <relweave/model/training.hpp>
#include <relweave/nn/parameter.hpp>

/// Between NumPy and the model module: arrays as views, results as arrays.
namespace relweave::python {

namespace py = pybind11;

template <typename T>
using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;

template <typename T>
VectorView<T const> vector_view(Array<T> const& a, char const* function, char const* argument) {
  if (a.ndim() != 1) {
    raise<ShapeError>(function, argument, std::to_string(a.ndim()) + " dimensions",
                      "one dimension");
  }
  return {a.data(), a.shape(0)};
}

/// An absent array is an empty view: "not given".
template <typename T>
VectorView<T const> vector_view(std::optional<Array<T>> const& a, char const* function,
                                char const* argument) {
  return a ? vector_view(*a, function, argument) : VectorView<T const>{};
}

inline MatrixView<float const> matrix_view(Array<float> const& a, char const* function,
                                           char const* argument) {
  if (a.ndim() != 2) {
    raise<ShapeError>(function, argument, std::to_string(a.ndim()) + " dimensions",
                      "two dimensions");
  }
  return {a.data(), a.shape(0), a.shape(1)};
}

inline MatrixView<float const> matrix_view(std::optional<Array<float>> const& a,
                                           char const* function, char const* argument) {
  return a ? matrix_view(*a, function, argument) : MatrixView<float const>{};
}

template <typename T>
py::array_t<T> new_matrix(std::int64_t rows, std::int64_t cols) {
  return py::array_t<T>({rows, cols});
}

template <typename T>
MatrixView<T> mutable_view(py::array_t<T>& a) {
  return {a.mutable_data(), a.shape(0), a.shape(1)};
}

template <typename T>
py::array_t<T> copy_of(VectorView<T const> v) {
  return py::array_t<T>(v.size, v.data);
}

inline py::array_t<float> copy_of(MatrixView<float const> m) {
  auto result = new_matrix<float>(m.rows, m.cols);
  auto const out = mutable_view(result);
  for (std::int64_t r = 0; r < m.rows; ++r) {
    std::copy_n(m.row_data(r), m.cols, out.row_data(r));
  }
  return result;
}

template <typename T>
Buffer<T> buffer_of(Array<T> const& a) {
  return Buffer<T>::copy_of({a.data(), static_cast<std::size_t>(a.size())});
}

inline std::vector<NodeTypeId> types_of(Array<std::int32_t> const& a) {
  std::vector<NodeTypeId> result(static_cast<std::size_t>(a.size()));
  std::transform(a.data(), a.data() + a.size(), result.begin(),
                 [](std::int32_t t) { return static_cast<NodeTypeId>(t); });
  return result;
}

inline VectorView<NodeTypeId const> view_of(std::vector<NodeTypeId> const& v) {
  return {v.data(), std::ssize(v)};
}

inline graph::ItemTypes item_types(std::vector<std::string> names,
                                   std::vector<std::int64_t> offsets) {
  return {.names = std::move(names), .offsets = std::move(offsets)};
}

/// External ids: a list of str, or an array of int64.
inline io::Vocabulary vocabulary_of(py::object const& ids) {
  if (py::isinstance<py::array>(ids)) {
    auto const numbers = ids.cast<Array<std::int64_t>>();
    return io::Vocabulary(
        io::Vocabulary::Integers(numbers.data(), numbers.data() + numbers.size()));
  }
  return io::Vocabulary(ids.cast<io::Vocabulary::Strings>());
}

inline py::object ids_of(io::Vocabulary const& vocabulary) {
  if (vocabulary.holds_integers()) {
    auto const& ids = vocabulary.integers();
    return py::array_t<std::int64_t>(std::ssize(ids), ids.data());
  }
  return py::cast(vocabulary.strings());
}

py::dict history_of(model::TrainingHistory const& history);
py::dict report_of(graph::CoInteractionReport const& report);
py::dict parameters_of(nn::ParameterSet<float> const& parameters);
/// Throws ConfigError or ShapeError, and changes nothing, unless names and shapes are the same.
void set_parameters(nn::ParameterSet<float>& parameters, py::dict const& values);

/// Carries progress to Python and Ctrl-C back. Between two steps of the training it takes the GIL,
/// looks for signals, and calls `callback(stage, epoch, epochs, step, steps, loss)` unless that is
/// None. A signal, an exception or a returned False stops the training, which leaves the model
/// usable; only then `rethrow` raises what happened.
class TrainingMonitor {
 public:
  explicit TrainingMonitor(py::object callback) : callback_(std::move(callback)) {}

  model::ProgressCallback callback();
  void rethrow();

 private:
  bool call(model::Progress const& progress);

  py::object callback_;
  std::optional<py::error_already_set> error_;
};

void bind_stages(py::module_& m);
void bind_recommender(py::module_& m);

}  // namespace relweave::python
