#include "model_arrays.hpp"

#include <algorithm>

namespace relweave::python {

py::dict history_of(model::TrainingHistory const& history) {
  py::list epochs;
  for (auto const& epoch : history.epochs) {
    py::dict record;
    record["loss"] = epoch.loss;
    record["validation"] = epoch.validation;
    record["seconds"] = epoch.seconds;
    record["examples"] = epoch.examples;
    epochs.append(record);
  }
  py::dict result;
  result["epochs"] = epochs;
  result["best_epoch"] = history.best_epoch;
  result["interrupted"] = history.interrupted;
  return result;
}

py::dict report_of(graph::CoInteractionReport const& report) {
  py::dict result;
  result["events"] = report.events;
  result["weak_left_out"] = report.weak_left_out;
  result["repeats_merged"] = report.repeats_merged;
  result["over_cap"] = report.over_cap;
  result["users"] = report.users;
  result["single_item_users"] = report.single_item_users;
  result["pairs"] = report.pairs;
  result["links_found"] = report.links_found;
  result["below_min_count"] = report.below_min_count;
  result["beyond_top"] = report.beyond_top;
  result["links"] = report.links;
  result["planned_bytes"] = report.planned_bytes;
  result["log_passes"] = report.log_passes;
  result["runs"] = report.runs;
  result["spilled_bytes"] = report.spilled_bytes;
  return result;
}

py::dict parameters_of(nn::ParameterSet<float> const& parameters) {
  py::dict result;
  for (auto const& info : parameters.infos()) {
    auto const values = parameters.values().slice(info.offset, info.rows * info.cols);
    Array<float> const tensor = copy_of(values);
    result[py::str(info.name)] =
        info.vector ? py::object(tensor)
                    : py::object(py::array(tensor).reshape({info.rows, info.cols}));
  }
  return result;
}

void set_parameters(nn::ParameterSet<float>& parameters, py::dict const& values) {
  constexpr char const* here = "load_parameters";
  std::vector<Array<float>> tensors;
  for (auto const& info : parameters.infos()) {
    if (!values.contains(info.name)) {
      raise<ConfigError>(here, "parameters", "no tensor '" + info.name + "'",
                         std::to_string(parameters.infos().size()) + " tensors");
    }
    tensors.push_back(values[py::str(info.name)].cast<Array<float>>());
    auto const& tensor = tensors.back();
    bool const fits = info.vector ? tensor.ndim() == 1 && tensor.shape(0) == info.cols
                                  : tensor.ndim() == 2 && tensor.shape(0) == info.rows &&
                                        tensor.shape(1) == info.cols;
    if (!fits) {
      raise<ShapeError>(here, info.name,
                        std::to_string(tensor.size()) + " values in " +
                            std::to_string(tensor.ndim()) + " dimensions",
                        shape_string(info.rows, info.cols));
    }
  }
  if (values.size() != tensors.size()) {
    raise<ConfigError>(here, "parameters", std::to_string(values.size()) + " tensors",
                       std::to_string(tensors.size()) + " tensors");
  }
  for (std::size_t p = 0; p < tensors.size(); ++p) {
    std::copy_n(tensors[p].data(), tensors[p].size(),
                parameters.values().data + parameters.infos()[p].offset);
  }
}

model::ProgressCallback TrainingMonitor::callback() {
  return [this](model::Progress const& progress) { return call(progress); };
}

bool TrainingMonitor::call(model::Progress const& progress) {
  py::gil_scoped_acquire const gil;
  try {
    if (PyErr_CheckSignals() != 0) {
      throw py::error_already_set();
    }
    if (callback_.is_none()) {
      return true;
    }
    py::object const answer =
        callback_(py::str(progress.stage.data(), progress.stage.size()), progress.epoch,
                  progress.epochs, progress.step, progress.steps, progress.loss);
    return !answer.is(py::bool_(false));
  } catch (py::error_already_set& error) {
    error_.emplace(std::move(error));
    return false;
  }
}

void TrainingMonitor::rethrow() {
  if (error_) {
    throw py::error_already_set(*error_);
  }
}

py::object TrainingMonitor::error() const {
  return error_ ? error_->value() : py::none();
}

}  // namespace relweave::python
