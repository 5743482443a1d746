#pragma once

#include <pybind11/stl.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/graph/co_interaction.hpp>
#include <relweave/io/vocabulary.hpp>
#include <relweave/model/training.hpp>
#include <relweave/nn/parameter.hpp>

#include "bindings.hpp"

/// Between NumPy and the model module: what both of its binding files share.
namespace relweave::python {

/// An absent array is an empty view: "not given".
inline MatrixView<float const> matrix_of(std::optional<Array<float>> const& a) {
  return a ? matrix_of(*a) : MatrixView<float const>{};
}

template <typename T>
Buffer<T> buffer_of(Array<T> const& a) {
  return Buffer<T>::copy_of({a.data(), static_cast<std::size_t>(a.size())});
}

inline std::vector<NodeTypeId> types_of(std::vector<std::int32_t> const& codes) {
  std::vector<NodeTypeId> result(codes.size());
  std::transform(codes.begin(), codes.end(), result.begin(),
                 [](std::int32_t t) { return static_cast<NodeTypeId>(t); });
  return result;
}

inline std::vector<NodeTypeId> types_of(Array<std::int32_t> const& codes) {
  return types_of(std::vector<std::int32_t>(codes.data(), codes.data() + codes.size()));
}

inline VectorView<NodeTypeId const> view_of(std::vector<NodeTypeId> const& v) {
  return {v.data(), std::ssize(v)};
}

inline graph::ItemTypes item_types(std::vector<std::string> names,
                                   std::vector<std::int64_t> offsets) {
  return {.names = std::move(names), .offsets = std::move(offsets)};
}

/// External ids as Python lists: all int or all str.
using Ids = std::variant<io::Vocabulary::Integers, io::Vocabulary::Strings>;

inline io::Vocabulary vocabulary_of(Ids ids) {
  return std::visit([](auto& list) { return io::Vocabulary(std::move(list)); }, ids);
}

inline Ids ids_of(io::Vocabulary const& vocabulary) {
  if (vocabulary.holds_integers()) {
    return vocabulary.integers();
  }
  return vocabulary.strings();
}

py::dict history_of(model::TrainingHistory const& history);
py::dict report_of(graph::CoInteractionReport const& report);
py::dict parameters_of(nn::ParameterSet<float> const& parameters);
/// Throws ConfigError or ShapeError, and changes nothing, unless names and shapes are the same.
void set_parameters(nn::ParameterSet<float>& parameters, py::dict const& values);

/// Carries progress to Python and Ctrl-C back. Between two steps of the training it takes the GIL,
/// looks for signals, and calls `callback(stage, epoch, epochs, step, steps, loss)` unless that is
/// None. A signal, an exception or a returned False stops the training, which leaves the model
/// usable; `error` is what happened, for Python to raise once it has taken the model over.
class TrainingMonitor {
 public:
  explicit TrainingMonitor(py::object callback) : callback_(std::move(callback)) {}

  model::ProgressCallback callback();
  /// The exception that stopped the training, or None.
  py::object error() const;
  /// Throws it, if there is one. For what a stop leaves without a result.
  void rethrow();

 private:
  bool call(model::Progress const& progress);

  py::object callback_;
  std::optional<py::error_already_set> error_;
};

void bind_stages(py::module_& m);
void bind_recommender(py::module_& m);

}  // namespace relweave::python
