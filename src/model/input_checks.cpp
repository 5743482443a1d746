#include "input_checks.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>

#include <relweave/core/error.hpp>

namespace relweave::model {

namespace {

// The gradient of a norm divides by it, and Adam squares gradients: (1e12)^2 is still a float.
constexpr float largest_feature = 1e12F;
constexpr float smallest_feature = 1e-12F;

std::string text_of(double x) {
  std::ostringstream text;
  text << x;
  return text.str();
}

}  // namespace

void expect_features(std::string_view function, std::string_view argument,
                     MatrixView<float const> features) {
  auto const place = [](std::int64_t r, std::int64_t c) {
    return " in row " + std::to_string(r) + ", column " + std::to_string(c);
  };
  float largest = 0;
  for (std::int64_t r = 0; r < features.rows; ++r) {
    for (std::int64_t c = 0; c < features.cols; ++c) {
      float const x = features(r, c);
      if (!std::isfinite(x)) {
        raise<ConfigError>(function, argument, text_of(x) + place(r, c), "finite numbers",
                           "Replace missing values first.");
      }
      if (std::abs(x) > largest_feature) {
        raise<ConfigError>(function, argument, text_of(x) + place(r, c), "numbers of at most 1e12",
                           "Scale the features to about 1.");
      }
      largest = std::max(largest, std::abs(x));
    }
  }
  if (largest > 0 && largest < smallest_feature) {
    raise<ConfigError>(function, argument, "no number above " + text_of(largest),
                       "zeros only, or some number above 1e-12", "Scale the features to about 1.");
  }
}

void expect_histories(std::string_view function, Histories const& histories,
                      std::int64_t item_count) {
  auto const& offsets = histories.offsets;
  if (offsets.empty() || offsets[0] != 0 || offsets[offsets.size - 1] != histories.items.size ||
      !std::is_sorted(offsets.begin(), offsets.end())) {
    raise<ShapeError>(function, "histories.offsets", std::to_string(offsets.size) + " offsets",
                      "ascending offsets from 0 to the number of items");
  }
  if (!histories.strong.empty()) {
    expect_size(function, "histories.strong", histories.strong, histories.items.size);
  }
  expect_indices(function, "histories.items", histories.items, item_count);
}

void expect_links(std::string_view function, graph::ItemTypes const& types,
                  graph::ItemLinks const& links) {
  types.check();
  auto const n = links.lower.size();
  expect_size(function, "links.upper", links.upper.view(), n);
  expect_size(function, "links.count", links.count.view(), n);
  expect_size(function, "links.weight", links.weight.view(), n);
  expect_indices(function, "links.lower", links.lower.view(), types.offsets.back());
  expect_indices(function, "links.upper", links.upper.view(), types.offsets.back());
  for (std::int64_t const count : links.count.view()) {
    if (count < 0) {
      raise<ConfigError>(function, "links.count", std::to_string(count), "counts of at least 0");
    }
  }
  for (float const weight : links.weight.view()) {
    if (!std::isfinite(weight)) {
      raise<ConfigError>(function, "links.weight", text_of(static_cast<double>(weight)),
                         "finite numbers");
    }
  }
}

void expect_converged(std::string_view function, TrainingHistory const& history,
                      VectorView<float const> parameters) {
  auto const refuse = [&](std::string const& got) {
    raise<ConfigError>(function, "training", got, "finite losses and parameters",
                       "It diverged: lower learning_rate, or scale the features to about 1.");
  };
  for (std::size_t e = 0; e < history.epochs.size(); ++e) {
    if (!std::isfinite(history.epochs[e].loss)) {
      refuse("loss " + text_of(history.epochs[e].loss) + " in epoch " + std::to_string(e + 1));
    }
  }
  if (!std::all_of(parameters.begin(), parameters.end(),
                   [](float x) { return std::isfinite(x); })) {
    refuse("parameters that are not finite");
  }
}

}  // namespace relweave::model
